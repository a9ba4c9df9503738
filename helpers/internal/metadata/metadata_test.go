// SPDX-License-Identifier: Apache-2.0

package metadata_test

import (
	"path/filepath"
	"testing"

	"github.com/regauth/docker-credential-regauth/helpers"
	"github.com/regauth/docker-credential-regauth/helpers/internal/envtest"
	"github.com/regauth/docker-credential-regauth/helpers/internal/metadata"
)

const dmi = "/sys/class/dmi/id/"

func TestAsk(t *testing.T) {
	yes, no := true, false
	pc := map[string]string{dmi + "sys_vendor": "LENOVO\n", dmi + "product_name": "20X1\n"}
	ec2 := map[string]string{dmi + "sys_vendor": "Amazon EC2\n"}
	azure := map[string]string{dmi + "sys_vendor": "Microsoft Corporation\n", dmi + "chassis_asset_tag": "7783-7084-3265-9085-8269-3286-77\n"}
	gce := map[string]string{dmi + "product_name": "Google Compute Engine\n"}
	container := map[string]string{"/.dockerenv": ""}
	tests := []struct {
		name   string
		cloud  metadata.Cloud
		vars   map[string]string
		files  map[string]string
		goos   string
		choice *bool
		answer bool // of the probe, where one is allowed
		want   bool
		probes int
	}{
		{name: "the configuration says yes", cloud: metadata.AWS, choice: &yes, vars: map[string]string{"REGAUTH_METADATA": "off"}, want: true},
		{name: "the configuration says no", cloud: metadata.AWS, choice: &no, files: ec2},
		{name: "the configuration says no, a variable yes", cloud: metadata.Google, choice: &no, vars: map[string]string{"GCE_METADATA_HOST": "x"}},
		{name: "switched off", cloud: metadata.AWS, vars: map[string]string{"REGAUTH_METADATA": "OFF"}, files: ec2},
		{name: "a variable outranks the switch", cloud: metadata.AWS,
			vars: map[string]string{"REGAUTH_METADATA": "off", "AWS_EC2_METADATA_SERVICE_ENDPOINT": "http://127.0.0.1:1"}, want: true},
		{name: "an empty variable is no sign", cloud: metadata.Azure, vars: map[string]string{"IDENTITY_ENDPOINT": ""}, files: pc},
		{name: "App Service", cloud: metadata.Azure, vars: map[string]string{"IDENTITY_ENDPOINT": "http://127.0.0.1:1"}, files: pc, want: true},
		{name: "another cloud's variable", cloud: metadata.AWS, vars: map[string]string{"GCE_METADATA_HOST": "x"}, files: pc},
		{name: "an EC2 machine", cloud: metadata.AWS, files: ec2, want: true},
		{name: "an EC2 machine, asked for Azure", cloud: metadata.Azure, files: ec2},
		{name: "an Azure machine", cloud: metadata.Azure, files: azure, want: true},
		{name: "an Azure machine, asked for AWS", cloud: metadata.AWS, files: azure},
		{name: "a Google machine", cloud: metadata.Google, files: gce, want: true},
		{name: "a Google machine, asked for AWS", cloud: metadata.AWS, files: gce, answer: true},
		{name: "a Google machine of another name", cloud: metadata.Google, files: map[string]string{dmi + "product_name": "Google\n"}, want: true},
		{name: "a Chromebook", cloud: metadata.Google, files: map[string]string{dmi + "sys_vendor": "Google\n", dmi + "product_name": "Google_Eve\n"}, answer: true},
		{name: "a Chromebook's product name begins as Google's", cloud: metadata.Google, files: map[string]string{dmi + "product_name": "Google Kevin\n"}, answer: true},
		{name: "a variable that no library reads", cloud: metadata.Google, vars: map[string]string{"GCE_METADATA_IP": "10.0.0.1"}, files: pc},
		{name: "a machine number that begins with ec2", cloud: metadata.AWS,
			files: map[string]string{dmi + "sys_vendor": "QEMU\n", dmi + "product_uuid": "ec2f0000-0000-4000-8000-000000000000\n"}},
		{name: "a Nitro machine's tag", cloud: metadata.AWS, files: map[string]string{dmi + "board_asset_tag": "i-0123456789abcdef0\n"}, want: true},
		{name: "a laptop", cloud: metadata.AWS, files: pc, answer: true},
		{name: "a machine without DMI", cloud: metadata.AWS, answer: true},
		{name: "the hosts file", cloud: metadata.Google, want: true,
			files: map[string]string{"/etc/hosts": "127.0.0.1 localhost\n169.254.169.254 Metadata.Google.Internal metadata\n"}},
		{name: "a comment in the hosts file", cloud: metadata.Google,
			files: map[string]string{"/etc/hosts": "# 169.254.169.254 metadata.google.internal\n"}},
		{name: "the hosts file is Google's sign only", cloud: metadata.AWS,
			files: map[string]string{"/etc/hosts": "169.254.169.254 metadata.google.internal\n"}},
		{name: "a pod's switch is not asked for a laptop", cloud: metadata.AWS, vars: map[string]string{"KUBERNETES_SERVICE_HOST": ""}, files: pc, answer: true},
		{name: "a container, and one answers", cloud: metadata.AWS, files: container, answer: true, want: true, probes: 1},
		{name: "a container, and none answers", cloud: metadata.AWS, files: container, probes: 1},
		{name: "podman", cloud: metadata.Google, files: map[string]string{"/run/.containerenv": ""}, answer: true, want: true, probes: 1},
		{name: "systemd-nspawn and others", cloud: metadata.Google, vars: map[string]string{"container": "oci"}, answer: true, want: true, probes: 1},
		{name: "a pod", cloud: metadata.AWS, vars: map[string]string{"KUBERNETES_SERVICE_HOST": "10.0.0.1"}, answer: true, want: true, probes: 1},
		{name: "a pod with another maker's DMI", cloud: metadata.AWS, files: pc,
			vars: map[string]string{"KUBERNETES_SERVICE_HOST": "10.0.0.1"}, answer: true, want: true, probes: 1},
		{name: "a pod, switched off", cloud: metadata.AWS, answer: true,
			vars: map[string]string{"KUBERNETES_SERVICE_HOST": "10.0.0.1", "REGAUTH_METADATA": "off"}},
		{name: "Windows' hosts file", cloud: metadata.Google, goos: "windows", want: true,
			vars:  map[string]string{"SystemRoot": "/windows"},
			files: map[string]string{filepath.FromSlash("/windows/System32/drivers/etc/hosts"): "169.254.169.254 metadata.google.internal"}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			env := envtest.World{Vars: test.vars, Files: test.files, GOOS: test.goos}.Env()
			probes := 0
			env.Remember = func(string, func() bool) bool { probes++; return test.answer } // never probe for real
			req := helpers.Request{Env: env, Choice: helpers.Choice{Metadata: test.choice}}
			got, why := metadata.Ask(t.Context(), test.cloud, req)
			if got != test.want || why == "" || probes != test.probes {
				t.Errorf("got %v (%s) after %d probes, want %v after %d", got, why, probes, test.want, test.probes)
			}
		})
	}
}
