package amazon

import (
	"errors"
	"fmt"
	"net"
	"strings"

	sqstypes "github.com/aws/aws-sdk-go-v2/service/sqs/types"
	"github.com/aws/smithy-go"
)

var errNoCredentials = errors.New("no AWS credentials: set AWS_PROFILE, or AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, " +
	"or give this machine a role")

// explain puts in front of what AWS says what to do about it, where that is known.
func explain(err error) error {
	if advice := advise(err); advice != "" {
		return fmt.Errorf("%s: %w", advice, err)
	}
	return err
}

func advise(err error) string {
	if recently := (*sqstypes.QueueDeletedRecently)(nil); errors.As(err, &recently) {
		return "a queue of this name was deleted a moment ago: wait 60 seconds and run it again"
	}
	if unreachable := (*net.OpError)(nil); errors.As(err, &unreachable) && unreachable.Op == "dial" {
		return "AWS cannot be reached: check AWS_REGION, AWS_ENDPOINT_URL and the network"
	}
	api := smithy.APIError(nil)
	if !errors.As(err, &api) {
		return ""
	}
	switch api.ErrorCode() {
	case "AccessDenied", "AccessDeniedException", "AuthorizationError", "UnauthorizedOperation", "Forbidden":
		return "access denied: allow " + permission(err) + " (`livepipe provision --iam` prints whole policies)"
	case "ExpiredToken", "ExpiredTokenException", "RequestExpired":
		return "AWS credentials have expired: sign in again"
	case "InvalidClientTokenId", "UnrecognizedClientException", "InvalidAccessKeyId", "SignatureDoesNotMatch":
		return "AWS does not accept these credentials: check AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY and AWS_PROFILE"
	case "BucketAlreadyExists":
		return "another account has a bucket of this name: choose another name"
	case "OptInRequired", "AuthFailure":
		return "the account may not use this region: check AWS_REGION"
	}
	return ""
}

// permission is the IAM action that the failed call needs.
func permission(err error) string {
	call := (*smithy.OperationError)(nil)
	if !errors.As(err, &call) {
		return "the call"
	}
	action := strings.ToLower(call.ServiceID) + ":" + call.OperationName
	switch action { // the calls that IAM names otherwise
	case "s3:HeadBucket":
		return "s3:ListBucket"
	case "s3:GetPublicAccessBlock":
		return "s3:GetBucketPublicAccessBlock"
	case "s3:PutPublicAccessBlock":
		return "s3:PutBucketPublicAccessBlock"
	case "s3:GetBucketLifecycleConfiguration":
		return "s3:GetLifecycleConfiguration"
	case "s3:PutBucketLifecycleConfiguration":
		return "s3:PutLifecycleConfiguration"
	}
	return action
}
