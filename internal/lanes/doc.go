// Package lanes is the consumer engine: a Watermill message.Subscriber over a small Source. It handles one
// delivery of a key at a time and many keys at once, holds a bounded amount in memory, and extends the lease of
// everything it holds from receive to settle.
//
//	           Fetch                    one goroutine owns all of this
//	Source ------------> intake ---> lane k1: [running] [body] [body] [receipt] ...
//	  ^  ^  ^              |         lane k2: [closed until retry] [body] ...
//	  |  |  |            budget      lane k3: [ready] ...
//	  |  |  |                             |  ready lanes, first come first served
//	  |  |  +-- Reread <-- bodies         v
//	  |  +----- Extend <-- leases    out channel ---> Watermill router, one goroutine per message
//	  +-------- Settle <-- settler <-- ack            |
//	                       closed  <-- nack + Fail <--+
//
// A lane is the queue of one key. Its head runs; its followers wait. When the head fails, the lane is closed: the
// head is tried again from memory after a growing, jittered delay, and nothing of the lane goes back to the
// broker, because a queue that gets one message back may deliver its followers first. The other lanes go on.
//
// How an outcome is spoken: a router middleware calls Fail with the error before Watermill nacks the message. The
// engine never gives a message up; the middleware that counts attempts (Attempt) moves it to the dead letters and
// acknowledges it.
//
// The package knows Watermill and messages, and may import no technology: sources live with theirs.
package lanes
