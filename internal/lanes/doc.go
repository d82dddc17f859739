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
//	                 ^     closed  <-- nack + Fail <--+  Ordered: it waits here
//	                 +---- delay   <------------------+  Unordered, Invocation: it goes back
//
// A lane is the queue of one key. Its head runs; its followers wait. What a failed head means is the source's Order:
//
//	            failed or postponed head        outage (Unavailable)             more of a key than fits
//	Ordered     tried again from memory, the    all waits here, one probe at     its receipt is kept, if the body
//	            lane is closed until then       a time until one succeeds        can be read again
//	Unordered   goes back with a delay, its     the same                         goes back with a delay, its turn
//	            followers pass
//	Invocation  goes back, and its lane too     all that does not run goes back  (a batch fits)
//
// Nothing of an ordered lane goes back, because a queue that gets one message back may deliver its followers first;
// except all of the lane, to a queue that locks keys, when lanes that wait fill the memory. What goes back has its
// attempts remembered by its ID, and each delay grows (giveback.go has the arithmetic): no message comes near the
// receive at which its queue would take it for poison.
//
// How an outcome is spoken: a router middleware calls Fail with the error before Watermill nacks the message. The
// engine never gives a message up; the middleware that counts attempts (Attempt) moves it to the dead letters and
// acknowledges it.
//
// The package knows Watermill and messages, and may import no technology: sources live with theirs.
package lanes
