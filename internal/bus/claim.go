package bus

import "context"

// Claims keeps bodies that are too large for a broker, under keys that start with claims/. What was put is durable when
// Put returns. Get answers nil and no error when nothing stands under the key.
type Claims interface {
	Put(ctx context.Context, key string, body []byte) error
	Get(ctx context.Context, key string) ([]byte, error)
}
