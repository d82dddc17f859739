// Package messages is the vocabulary that every room of livepipe speaks: the CloudEvents envelope, the typed events,
// their topics and lanes, the delivery statuses and the outcomes of a handler. It imports no other package of livepipe.
// The wire form is pinned by the golden files in testdata.
package messages
