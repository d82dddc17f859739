package channels

// The codes of an Invalid. They are part of the HTTP contract and never change their meaning.
const (
	CodeInvalidIdentifier = "invalid_identifier" // the path names no tenant
	CodeInvalidJSON       = "invalid_json"       // the body is not one JSON object, or repeats a name
	CodeMissingField      = "missing_field"      // a required field is absent, null or empty
	CodeInvalidField      = "invalid_field"      // a field has the wrong type or a value outside its set
	CodeFieldTooLong      = "field_too_long"     // a field is longer than its bound
)

// Invalid is a request that the sender has to change. Its texts never quote what was sent.
type Invalid struct {
	Code   string // stable, such as "missing_field"
	Field  string // the field or parameter at fault, such as "message.id"; may be empty
	Detail string // one sentence that says what to do
}

// Error implements error.
func (e *Invalid) Error() string {
	if e.Field == "" {
		return e.Code + ": " + e.Detail
	}
	return e.Code + ": " + e.Field + ": " + e.Detail
}
