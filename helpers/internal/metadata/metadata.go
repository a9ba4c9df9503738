// SPDX-License-Identifier: Apache-2.0

// Package metadata decides whether a cloud's instance metadata service may be
// asked. On a machine that is not in a cloud its address either swallows
// packets, which costs seconds, or belongs to somebody else; so it is asked
// only on a sign of that cloud.
package metadata

import (
	"context"
	"net"
	"path/filepath"
	"strings"
	"time"

	"github.com/regauth/docker-credential-regauth/helpers"
)

// Cloud is one cloud with a metadata service, and the signs of it.
type Cloud struct {
	Name string
	// Vars are variables whose presence says that the service is there or
	// where it is. They are the SDK's own.
	Vars []string
	// DMI maps a file below /sys/class/dmi/id to what it holds on this cloud's
	// machines: one of the texts, or the beginning of it where the text ends
	// with '*'.
	DMI map[string][]string
	// Hosts are names that the hosts file of such a machine or pod may hold.
	Hosts []string
}

// The clouds. Sources: AWS EC2 User Guide, "Identify EC2 instances"
// (identify_ec2_instances); Azure chassis asset tag as cloud-init and systemd
// recognise it; Google Cloud, "Detect if a VM is running in Compute Engine".
var (
	AWS = Cloud{
		Name: "aws",
		Vars: []string{"AWS_EC2_METADATA_SERVICE_ENDPOINT"},
		DMI: map[string][]string{
			"sys_vendor":      {"Amazon EC2*"},
			"bios_vendor":     {"Amazon EC2*"},
			"board_asset_tag": {"i-*"},
		},
	}
	Azure = Cloud{
		Name: "azure",
		Vars: []string{"IDENTITY_ENDPOINT", "MSI_ENDPOINT"},
		DMI:  map[string][]string{"chassis_asset_tag": {"7783-7084-3265-9085-8269-3286-77"}},
	}
	Google = Cloud{
		Name: "google",
		Vars: []string{"GCE_METADATA_HOST"},
		// As cloud.google.com/go/compute/metadata has it. The vendor alone is
		// Google on Chromebooks too.
		DMI:   map[string][]string{"product_name": {"Google Compute Engine", "Google"}},
		Hosts: []string{"metadata.google.internal"},
	}
)

// address is where all three clouds have their service.
const address = "169.254.169.254:80"

// probeTime bounds the one connection attempt made where no sign can be read.
const probeTime = 300 * time.Millisecond

// Ask reports whether cloud's metadata service may be asked, and why, in a few
// words for messages. Order: the configuration's word, the SDK's own variables,
// REGAUTH_METADATA=off, DMI strings, the hosts file; and in a container or
// Kubernetes pod that shows no DMI strings one connection attempt of 300 ms,
// which [helpers.Env.Remember] keeps for as long as the machine is up.
func Ask(ctx context.Context, cloud Cloud, req helpers.Request) (ask bool, why string) {
	env := req.Env
	if chosen := req.Choice.Metadata; chosen != nil {
		if *chosen {
			return true, "metadata = true in the configuration"
		}
		return false, "metadata = false in the configuration"
	}
	for _, name := range cloud.Vars {
		if env.Getenv(name) != "" {
			return true, name
		}
	}
	if strings.EqualFold(env.Getenv("REGAUTH_METADATA"), "off") {
		return false, "REGAUTH_METADATA=off"
	}
	readable := false
	for _, other := range []Cloud{AWS, Azure, Google} {
		found, some := other.dmi(env)
		readable = readable || some
		if found {
			return other.Name == cloud.Name, "this machine is a " + other.Name + " machine"
		}
	}
	if cloud.inHosts(env) {
		return true, "a metadata name in the hosts file"
	}
	pod := env.Getenv("KUBERNETES_SERVICE_HOST") != ""
	if readable && !pod {
		return false, "no sign of this cloud on this machine"
	}
	if !pod && !inContainer(env) {
		return false, "no sign of this cloud on this machine"
	}
	if remembered(ctx, env, address) {
		return true, "a metadata service answers"
	}
	return false, "no metadata service answers"
}

// remembered is the probe's answer, or what it was before. An attempt that ctx
// cuts short says nothing about the machine and would be kept nevertheless: it
// is not begun when ctx has ended, and once begun takes its own 300 ms.
func remembered(ctx context.Context, env *helpers.Env, address string) bool {
	if ctx.Err() != nil {
		return false
	}
	return env.Remember("metadata", func() bool { return probe(context.WithoutCancel(ctx), address) })
}

// dmi reports whether the firmware's strings are this cloud's, and whether any
// could be read.
func (c Cloud) dmi(env *helpers.Env) (found, readable bool) {
	for file, patterns := range c.DMI {
		text, err := env.ReadFile("/sys/class/dmi/id/" + file)
		if err != nil {
			continue
		}
		readable = true
		for _, pattern := range patterns {
			found = found || matches(strings.TrimSpace(string(text)), pattern)
		}
	}
	return found, readable
}

// matches compares with a text of [Cloud].DMI.
func matches(text, pattern string) bool {
	prefix, open := strings.CutSuffix(pattern, "*")
	return text == pattern || open && strings.HasPrefix(text, prefix)
}

func (c Cloud) inHosts(env *helpers.Env) bool {
	if len(c.Hosts) == 0 {
		return false
	}
	path := "/etc/hosts"
	if env.GOOS == "windows" {
		path = filepath.Join(env.Getenv("SystemRoot"), "System32", "drivers", "etc", "hosts")
	}
	text, err := env.ReadFile(path)
	if err != nil {
		return false
	}
	for line := range strings.Lines(string(text)) {
		line, _, _ = strings.Cut(line, "#")
		for i, field := range strings.Fields(line) {
			for _, name := range c.Hosts {
				if i > 0 && strings.EqualFold(field, name) {
					return true
				}
			}
		}
	}
	return false
}

// inContainer reports whether this process runs in a container: Docker and
// podman leave these files.
func inContainer(env *helpers.Env) bool {
	for _, path := range []string{"/.dockerenv", "/run/.containerenv"} {
		if _, err := env.ReadFile(path); err == nil {
			return true
		}
	}
	return env.Getenv("container") != ""
}

// probe reports whether something accepts connections at address.
func probe(ctx context.Context, address string) bool {
	dialer := net.Dialer{Timeout: probeTime}
	conn, err := dialer.DialContext(ctx, "tcp", address)
	if err != nil {
		return false
	}
	_ = conn.Close()
	return true
}
