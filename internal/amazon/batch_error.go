package amazon

import (
	"errors"
	"fmt"
	"strings"

	"github.com/aws/smithy-go"

	"github.com/livepipe/livepipe/messages"
)

var (
	// errAlone says that a call was refused as a whole, so that its entries have to be tried one by one: one of them
	// may be to blame, and the others must not suffer for it.
	errAlone = errors.New("the call was refused as a whole")
	// errUnconfirmed is the state of an entry that an answer does not mention.
	errUnconfirmed = errors.New("the answer does not mention the entry")
)

// callError is what a failed call means for each of its n entries. The text of AWS's answers stays out: it may quote
// what was sent.
func callError(err error, n int) error {
	var answer smithy.APIError
	if !errors.As(err, &answer) {
		return err // the network, a timeout
	}
	code := shortCode(answer.ErrorCode())
	switch {
	case !refusal(code):
		return fmt.Errorf("AWS answers %s", code)
	case n > 1:
		return errAlone
	default:
		return messages.Permanent(messages.ReasonRefused, fmt.Errorf("AWS answers %s", code))
	}
}

// entryError is what the failed entry of a call means.
func entryError(code string, senderFault bool) error {
	err := fmt.Errorf("AWS answers %s", shortCode(code))
	if senderFault && !account(shortCode(code)) {
		return messages.Permanent(messages.ReasonRefused, err)
	}
	return err
}

// shortCode is the code without its name space and without Exception, which SNS, SQS and their emulators write or not.
func shortCode(code string) string {
	if i := strings.LastIndexAny(code, ".#"); i >= 0 {
		code = code[i+1:]
	}
	return strings.TrimSuffix(code, "Exception")
}

// refusal reports whether the code says that the call itself is wrong, so that no retry helps.
func refusal(code string) bool {
	switch code {
	case "InvalidParameter", "InvalidParameterValue", "ParameterValueInvalid", "ValidationError", "Validation",
		"InvalidMessageContents", "BatchRequestTooLong", "UnsupportedOperation":
		return true
	}
	return false
}

// account reports whether the code is about the account, its quotas or its keys, for which the sender is blamed though
// the message is right.
func account(code string) bool {
	switch {
	case strings.HasPrefix(code, "Throttl"), strings.HasPrefix(code, "KMS"), strings.HasPrefix(code, "Kms"):
		return true
	}
	switch code {
	case "RequestThrottled", "AuthorizationError", "AccessDenied", "InvalidSecurity",
		"ExpiredToken", "NotFound", "QueueDoesNotExist", "NonExistentQueue", "OverLimit":
		return true
	}
	return false
}
