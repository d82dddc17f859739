package ingress

import (
	"context"

	"github.com/livepipe/livepipe/internal/store"
	"github.com/livepipe/livepipe/messages"
)

// Uploads knows what became of uploads.
type Uploads interface {
	// Media returns what was decided about an upload, or store.ErrUnknownMedia.
	Media(ctx context.Context, id string) (store.Media, error)
}

// thumbnailSuffix follows the media id in the path of its thumbnail.
const thumbnailSuffix = "/thumbnail"

// mediaURL is where a file is reached.
func (s *Server) mediaURL(f messages.File) string {
	return s.config.MediaURL + "/" + f.ID + f.Extension
}
