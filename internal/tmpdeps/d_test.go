package tmpdeps

import (
	_ "github.com/ThreeDotsLabs/watermill/pubsub/tests"
	_ "github.com/cloudevents/sdk-go/v2/event"
	_ "github.com/prometheus/client_golang/prometheus/testutil"
	_ "github.com/prometheus/client_golang/prometheus/testutil/promlint"
	_ "go.uber.org/goleak"
)
