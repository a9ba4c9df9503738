// SPDX-License-Identifier: Apache-2.0

// Command regauth-demo shows the main job with no account, no cloud and no
// Docker: it starts a registry and a cloud on loopback, lets the unchanged
// helper answer for an Amazon ECR host name through the real protocol, pushes
// and pulls, lets a token expire, lets a push be refused, and prints what it
// observed. It exits with 1 when anything was not as it says.
//
// Nothing in the helper knows of it: the AWS SDK's own endpoint variable leads
// to the loopback cloud, and the pulling client dials loopback for the host
// name.
package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
)

func main() { os.Exit(run(os.Args[1:], os.Stdout, os.Stderr)) }

// run parses the flags, plays the demonstration and returns the exit code.
func run(args []string, stdout, stderr io.Writer) int {
	flags := flag.NewFlagSet("regauth-demo", flag.ContinueOnError)
	flags.SetOutput(stderr)
	without := flags.String("without", "", "switch off the `helper`, the cloud or the registry, to see the demonstration fail")
	keep := flags.Bool("keep", false, "leave cloud and registry running and print commands to try by hand")
	if err := flags.Parse(args); err != nil {
		return 2
	}
	switch *without {
	case "", "helper", "cloud", "registry":
	default:
		_, _ = fmt.Fprintln(stderr, "regauth-demo: -without knows helper, cloud and registry")
		return 2
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := play(ctx, stdout, options{without: *without, keep: *keep}); err != nil {
		_, _ = fmt.Fprintln(stderr, "regauth-demo: not as it should be:", err)
		return 1
	}
	return 0
}
