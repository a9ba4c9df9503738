// SPDX-License-Identifier: Apache-2.0

package cloudtest

import (
	"slices"
	"strings"
)

// awsSuffixes are the DNS suffixes of API hosts, dual-stack ones included, by
// partition.
var awsSuffixes = map[string]string{
	"amazonaws.com": "aws", "api.aws": "aws",
	"amazonaws.com.cn": "aws-cn", "api.amazonwebservices.com.cn": "aws-cn",
	"amazonaws.eu": "aws-eusc", "api.amazonwebservices.eu": "aws-eusc",
	"c2s.ic.gov": "aws-iso", "sc2s.sgov.gov": "aws-iso-b",
	"cloud.adc-e.uk": "aws-iso-e", "csp.hci.ic.gov": "aws-iso-f",
}

// registrySuffix is the DNS suffix of a region's registries.
func registrySuffix(region string) string {
	switch partitionOf(region) {
	case "aws-cn":
		return "amazonaws.com.cn"
	case "aws-eusc":
		return "amazonaws.eu"
	case "aws-iso":
		return "c2s.ic.gov"
	case "aws-iso-b":
		return "sc2s.sgov.gov"
	case "aws-iso-e":
		return "cloud.adc-e.uk"
	case "aws-iso-f":
		return "csp.hci.ic.gov"
	}
	return "amazonaws.com"
}

// partitionOf returns the partition of a region.
func partitionOf(region string) string {
	for prefix, partition := range map[string]string{
		"cn-": "aws-cn", "eusc-": "aws-eusc", "us-gov-": "aws-us-gov", "us-iso-": "aws-iso",
		"us-isob-": "aws-iso-b", "eu-isoe-": "aws-iso-e", "us-isof-": "aws-iso-f",
	} {
		if strings.HasPrefix(region, prefix) {
			return partition
		}
	}
	return "aws"
}

// apiRegion returns the region of a service's API host: [api.]SERVICE[-fips].REGION.SUFFIX,
// and for STS also its global host.
func apiRegion(host, service string) (region string, ok bool) {
	if service == "sts" && host == "sts.amazonaws.com" {
		return "us-east-1", true
	}
	rest := strings.TrimPrefix(host, "api.")
	if after, found := strings.CutPrefix(rest, service+"-fips."); found {
		rest = after
	} else if rest, found = strings.CutPrefix(rest, service+"."); !found {
		return "", false
	}
	region, suffix, _ := strings.Cut(rest, ".")
	partition, known := awsSuffixes[suffix]
	of := partitionOf(region)
	if of == "aws-us-gov" {
		of = "aws"
	}
	return region, known && partition == of && slices.Contains([]int{2, 3}, strings.Count(region, "-"))
}

// isSigninHost reports whether a host is AWS Sign-In's of a region. The other
// partitions' are not served.
func isSigninHost(host string) bool {
	region, found := strings.CutSuffix(host, ".signin.aws.amazon.com")
	return found && partitionOf(region) == "aws" && strings.Count(region, "-") == 2 && !strings.Contains(region, ".")
}
