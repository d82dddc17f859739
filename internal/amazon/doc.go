// Package amazon is the SNS and SQS transport: an SNS topic for each event type, an SQS queue for each worker with raw
// delivery, and a dead-letter queue beside each.
//
//	Publish ──▶ batcher ──▶ SNS PublishBatch ──▶ topic ──▶ queue ──▶ ReceiveMessage ──▶ lanes (Source.Fetch)
//	              ▲                                          │ ▲
//	 many callers │ one answer each                          │ └── ChangeMessageVisibilityBatch (Extend, Settle Delay)
//	                                                         └──── DeleteMessageBatch (Settle Ack)
//	 dead letter ──▶ batcher ──▶ SQS SendMessageBatch ──▶ <queue>-dead
//
// It builds on watermill-aws: its marshalers put a message on the wire and take it off, its resolvers find queues and
// topics, so what one side publishes the other reads. What it replaces is the publisher, which sends one message per
// call, and the subscriber, which receives one, deletes one and never extends a visibility timeout.
package amazon
