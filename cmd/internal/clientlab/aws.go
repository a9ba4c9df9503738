// SPDX-License-Identifier: Apache-2.0

package main

import (
	"time"

	"github.com/regauth/docker-credential-regauth/helpers/cloudtest"
)

// pusher is an IAM user of the registry's account.
var pusher = cloudtest.AWSUser{
	Account: "123456789012", Name: "pusher", Partition: "aws",
	KeyID: "AKIALOOPBACKLAB00001", Secret: "a+secret/key.of.the.lab",
}

// settleAWS registers a user with a key. Authorization tokens live so long, at
// most the twelve hours that ECR's do.
func (l *lab) settleAWS(life time.Duration) {
	aws := l.cloud.AWS()
	aws.AddUser(pusher)
	aws.TokenLife = min(life, 12*time.Hour)
	l.env["ecr"] = map[string]string{"AWS_ACCESS_KEY_ID": pusher.KeyID, "AWS_SECRET_ACCESS_KEY": pusher.Secret}
}

func (l *lab) checkECR(user, password string) error {
	return l.cloud.AWS().CheckECRToken(ecrHost, user, password)
}
