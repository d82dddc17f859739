package blobs

import (
	"errors"

	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/smithy-go"
	"gocloud.dev/gcerrors"
)

// s3Code is S3's own word for an error; empty if S3 has not said any.
func s3Code(err error) string {
	var api smithy.APIError
	if !errors.As(err, &api) {
		return ""
	}
	return api.ErrorCode()
}

// absent reports whether the blob is missing. To gocloud a missing bucket and one in another region are "not found" too;
// taken for missing blobs, a wrong setting would make dead letters of good events.
func absent(err error) bool {
	var answer *awshttp.ResponseError
	if errors.As(err, &answer) {
		return s3Code(err) == "NoSuchKey"
	}
	return gcerrors.Code(err) == gcerrors.NotFound
}

// advice says what an operator can do about an error that only an operator can end; empty for any other. All of them are
// outages to the caller: readiness turns false, and no event is lost or counted for it.
func advice(err error) string {
	switch s3Code(err) {
	case "NoSuchBucket":
		return "the bucket does not exist: make it (livepipe provision), or set LIVEPIPE_BLOBS to another: "
	case "AccessDenied", "AllAccessDisabled", "Forbidden":
		return "access denied: the credentials need s3:GetObject, s3:PutObject and s3:DeleteObject on the bucket's objects, " +
			"and s3:ListBucket on the bucket (without it S3 says this of every missing object): "
	case "InvalidAccessKeyId", "SignatureDoesNotMatch", "InvalidToken", "ExpiredToken", "TokenRefreshRequired":
		return "the AWS credentials are not valid: "
	case "RequestTimeTooSkewed":
		return "the clock of this machine is wrong: "
	case "PermanentRedirect", "MovedPermanently", "TemporaryRedirect", "AuthorizationHeaderMalformed", "IllegalLocationConstraintException":
		return "the bucket is in another region: set AWS_REGION, or ?region= in LIVEPIPE_BLOBS: "
	}
	return ""
}
