// Package jetstream is the NATS JetStream bus: a nats-server inside the process (or a foreign one), the streams and
// durable consumers of the queue table, a Watermill publisher, the source for the consumer engine, and dead letters.
//
//	Publisher --> stream <prefix>-events    --> one durable per queue --> Source --> lanes
//	          '-> stream <prefix>-dispatch  -->          "                           |
//	                <prefix>.<stream>.topic.<topic>                                  |
//	                <prefix>.<stream>.redrive.<queue> <-- Redrive <-- stream <prefix>-dead <-- DeadLetters.Publish
//
// There are two event streams because every message is fsynced under its stream's lock: what workers publish for each
// other is written beside what LiveChat waits for, and neither waits for the other. In the event stream, acknowledged
// messages are deleted in batches (see trim); the dispatch stream has interest retention and deletes one by one.
//
// A durable sees only what is published after it was made, and an interest stream without one acknowledges and keeps
// nothing. So there is no way to publish but through a Bus, and Open makes every durable of the queue table before it
// returns, in ingress too. A queue that nobody consumes keeps the event stream from its first unhandled event on.
//
// Of watermill-nats (v2.1.3) only the marshaler is used. Its JetStream subscriber handles one message at a time, has no
// in-progress heartbeat, logs every message and dereferences nil on one that does not decode. Its publisher has no
// deadline, sends a batch one by one, and knows nothing of lanes.
//
// # Order and ownership
//
// All processes that consume a queue ask for the pin of its durable (priority group, pinned client); one has it. Whoever
// gets the pin resets the durable to its ack floor before it hands anything on, so that everything unacknowledged comes
// again in order. The same happens after every reconnect and whenever a delivery is missing: the consumer sequence
// counts 1, 2, 3 from the reset on, so a gap shows a delivery that got lost on the way.
//
// A process that lost the pin may still run what it holds. That is harmless: each process handles a lane in order from
// some point at or before the ack floor, so the first effect of an event always comes after the first effect of its
// predecessor, and the second effect of an event is none. Its receipts are of an old epoch: settling and extending them
// answers lanes.ErrGone, which the engine takes as settled, and the new owner's acknowledgement counts.
package jetstream
