// SPDX-License-Identifier: Apache-2.0

// Package helpers is the vocabulary that every registry provider speaks: a
// server address as clients send it, the registry that it names, where an
// identity may come from, the credential that results, and the typed errors
// that say why there is none.
//
// A provider is one folder below this one (ecr, acr, gar, …). It says which
// hosts it answers for ([Provider.Match], pure) and lists its [Source]s in the
// order in which they are tried. It knows neither the cache, nor Docker's
// protocol, nor any other provider. The list of providers is in helpers/all.
package helpers
