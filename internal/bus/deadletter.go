package bus

// The metadata of a dead letter, beside the type and the lane that every message has. With the id that the transport
// adds these are nine, and SQS takes ten.
const (
	DeadReason   = "reason"    // a word of messages.Reasons
	DeadWorker   = "worker"    // whose queue it comes from
	DeadEventID  = "event_id"  // of the event, or of the bus message when that did not decode
	DeadAttempts = "attempts"  // counted attempts, decimal
	DeadFailedAt = "failed_at" // RFC 3339, UTC
	DeadDetail   = "detail"    // what went wrong, without anything that a person wrote
)
