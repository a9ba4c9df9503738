// SPDX-License-Identifier: Apache-2.0

package ecr

import (
	"slices"
	"strings"

	"github.com/regauth/docker-credential-regauth/helpers"
)

// suffix is one DNS suffix of registry hosts.
type suffix struct {
	labels []string // from the left
	dual   bool     // of dual-stack hosts, whose first labels differ too
	// regions are prefixes of the regions that are there; none means every
	// region that no other partition claims.
	regions []string
}

// suffixes is the table of AWS partitions (AWS General Reference, "Amazon ECR
// endpoints and quotas"; Amazon ECR User Guide, "Making requests over IPv6";
// the SDK's partitions for those that are not public).
var suffixes = []suffix{
	{labels: []string{"amazonaws", "com"}},
	{labels: []string{"on", "aws"}, dual: true},
	{labels: []string{"amazonaws", "com", "cn"}, regions: []string{"cn-"}},
	{labels: []string{"on", "amazonwebservices", "com", "cn"}, dual: true, regions: []string{"cn-"}},
	{labels: []string{"amazonaws", "eu"}, regions: []string{"eusc-"}},
	{labels: []string{"c2s", "ic", "gov"}, regions: []string{"us-iso-"}},
	{labels: []string{"sc2s", "sgov", "gov"}, regions: []string{"us-isob-"}},
	{labels: []string{"cloud", "adc-e", "uk"}, regions: []string{"eu-isoe-"}},
	{labels: []string{"csp", "hci", "ic", "gov"}, regions: []string{"us-isof-"}},
}

// apart are the regions that amazonaws.com and on.aws do not serve.
var apart = []string{"cn-", "eusc-", "us-iso-", "us-isob-", "eu-isoe-", "us-isof-"}

// publicHosts are the names of Amazon ECR Public, the second its dual-stack one.
const (
	publicHost     = "public.ecr.aws"
	publicHostDual = "ecr-public.aws.com"
)

// matchPrivate knows ACCOUNT.dkr.ecr.REGION.SUFFIX and, for dual-stack,
// ACCOUNT.dkr-ecr.REGION.SUFFIX, both also with "-fips".
func matchPrivate(host string) (helpers.Target, bool) {
	labels := strings.Split(host, ".")
	for _, s := range suffixes {
		rest, found := s.cut(labels)
		if !found {
			continue
		}
		t := helpers.Target{Host: host, Anonymous: helpers.AnonymousNever,
			Suffix: strings.Join(s.labels, "."), Dual: s.dual}
		if !s.shape(rest, &t) || !isAccount(rest[0]) || !s.serves(rest[len(rest)-1]) {
			return helpers.Target{}, false
		}
		t.Account, t.Region = rest[0], rest[len(rest)-1]
		return t, true
	}
	return helpers.Target{}, false
}

// cut returns the labels before the suffix.
func (s suffix) cut(labels []string) (rest []string, found bool) {
	n := len(labels) - len(s.labels)
	if n < 1 || !slices.Equal(labels[n:], s.labels) {
		return nil, false
	}
	return labels[:n], true
}

// shape checks the labels between account and region.
func (s suffix) shape(rest []string, t *helpers.Target) bool {
	middle := strings.Join(rest[1:max(len(rest)-1, 1)], ".")
	want := "dkr.ecr"
	if s.dual {
		want = "dkr-ecr"
	}
	t.FIPS = middle == want+"-fips"
	return t.FIPS || middle == want
}

func isAccount(label string) bool {
	return len(label) == 12 && strings.Trim(label, "0123456789") == ""
}

// serves reports whether region is spelled like a region and lies in the
// suffix's partition.
func (s suffix) serves(region string) bool {
	if !isRegion(region) {
		return false
	}
	in := func(prefix string) bool { return strings.HasPrefix(region, prefix) }
	if s.regions == nil {
		return !slices.ContainsFunc(apart, in)
	}
	return slices.ContainsFunc(s.regions, in)
}

// isRegion reports whether name is words of letters and at last a number, all
// joined by hyphens: us-east-1, us-gov-west-1.
func isRegion(name string) bool {
	words := strings.Split(name, "-")
	if len(words) < 3 {
		return false
	}
	last := len(words) - 1
	for _, word := range words[:last] {
		if word == "" || strings.Trim(word, "abcdefghijklmnopqrstuvwxyz") != "" {
			return false
		}
	}
	return words[last] != "" && len(words[last]) <= 2 && strings.Trim(words[last], "0123456789") == ""
}

// matchPublic knows the two names of Amazon ECR Public. Its API is in one
// region only (Amazon ECR Public User Guide, "Registry authentication").
func matchPublic(host string) (helpers.Target, bool) {
	t := helpers.Target{Host: host, Anonymous: helpers.AnonymousPossible, Region: publicRegion}
	switch host {
	case publicHost:
		return t, true
	case publicHostDual:
		t.Dual = true
		return t, true
	}
	return helpers.Target{}, false
}

// publicRegion is where Amazon ECR Public has its API.
const publicRegion = "us-east-1"
