//go:build !race

package conformance

// RaceDetector says whether the race detector is built in. SQLite is then ten times slower, so the tests that try every
// case try a part of them.
const RaceDetector = false
