// Package media says what an uploaded file is, by its bytes alone, and makes pictures safe to serve: upright, without
// metadata, within a memory budget. It knows nothing of stores, buses or HTTP.
package media

// Kind is what a file was found to be. ContentType has no parameters; Extension has its dot.
type Kind struct {
	ContentType string
	Extension   string
}

// ThumbnailType is the content type of every thumbnail.
const ThumbnailType = "image/jpeg"

// allowed maps the names that mimetype gives to the kinds that are taken. Whatever is not here is refused: HTML, SVG,
// scripts, executables, archives and everything unknown.
var allowed = map[string]Kind{
	"image/jpeg": {jpegType, ".jpg"},
	"image/png":  {pngType, ".png"},
	"image/apng": {pngType, ".png"}, // cleaning keeps its first picture alone
	"image/gif":  {gifType, ".gif"},
	"image/webp": {webpType, ".webp"},

	"audio/mpeg":  {"audio/mpeg", ".mp3"},
	"audio/mp4":   {"audio/mp4", ".m4a"},
	"audio/x-m4a": {"audio/mp4", ".m4a"},
	"audio/aac":   {"audio/aac", ".aac"},
	"audio/ogg":   {"audio/ogg", ".ogg"},
	"audio/wav":   {"audio/wav", ".wav"},
	"audio/flac":  {"audio/flac", ".flac"},

	"video/mp4":       {"video/mp4", ".mp4"},
	"video/x-m4v":     {"video/mp4", ".mp4"},
	"video/quicktime": {"video/quicktime", ".mov"},
	"video/webm":      {"video/webm", ".webm"}, // or audio/webm, see refine
	"video/ogg":       {"video/ogg", ".ogv"},

	"application/pdf": {"application/pdf", ".pdf"},
	"text/plain":      {"text/plain", ".txt"},
	"text/csv":        {"text/csv", ".csv"},
	// Prose and logs with tabs look like this to mimetype; it is plain text all the same.
	"text/tab-separated-values": {"text/plain", ".txt"},
}

// The office kinds are decided by looking inside, see office.go.
var (
	docx = Kind{"application/vnd.openxmlformats-officedocument.wordprocessingml.document", ".docx"}
	xlsx = Kind{"application/vnd.openxmlformats-officedocument.spreadsheetml.sheet", ".xlsx"}
	pptx = Kind{"application/vnd.openxmlformats-officedocument.presentationml.presentation", ".pptx"}
	odt  = Kind{"application/vnd.oasis.opendocument.text", ".odt"}
	ods  = Kind{"application/vnd.oasis.opendocument.spreadsheet", ".ods"}
	odp  = Kind{"application/vnd.oasis.opendocument.presentation", ".odp"}
	doc  = Kind{"application/msword", ".doc"}
	xls  = Kind{"application/vnd.ms-excel", ".xls"}
	ppt  = Kind{"application/vnd.ms-powerpoint", ".ppt"}
)

const (
	jpegType = "image/jpeg"
	pngType  = "image/png"
	gifType  = "image/gif"
	webpType = "image/webp"
)

// IsImage reports whether files of the content type are pictures, which Clean makes safe; all others are kept as they
// came.
func IsImage(contentType string) bool {
	switch contentType {
	case jpegType, pngType, gifType, webpType:
		return true
	}
	return false
}

// Refused says that a file is of no kind that is taken. Found is a MIME type of a bounded set, fit for an answer and for
// a metric label.
type Refused struct{ Found string }

func (e *Refused) Error() string { return "refused file of type " + e.Found }
