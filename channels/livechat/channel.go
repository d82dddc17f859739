// Package livechat knows LiveChat's words and nobody else does: the identifier of its paths, the bodies that it posts and
// the answers that it gets. It may import only channels and messages.
package livechat

import (
	"github.com/livepipe/livepipe/channels"
	"github.com/livepipe/livepipe/messages"
)

const (
	name        = "livechat"
	webhookPath = "/webhooks/livechat"
)

// Channel is LiveChat.
func Channel() channels.Channel {
	return channels.Channel{
		Name:        name,
		Identify:    ParseIdentifier,
		Credentials: credentials,
		Endpoints: []channels.Endpoint{
			{Path: webhookPath, Actions: map[string]channels.Action{ // one URL for every organisation of an app
				"": {Service: channels.Receive, Decode: sniffed(answerWebhook, refuseShape)},
			}},
			{Path: webhookPath + "/:identifier", Actions: map[string]channels.Action{
				"": {Service: channels.Receive, Decode: sniffed(answerWebhook, decodeWebhook)},
			}},
			{Path: "/livechat/:identifier", Actions: map[string]channels.Action{
				"":                {Service: channels.Receive, Decode: sniffed(answerMessage, decodeMessage)},
				"delivery_status": {Service: channels.Receive, Decode: decodeDelivery},
				"fetch_messages":  {Service: channels.FetchMessages},
				"upload_media":    {Service: channels.UploadMedia},
			}},
		},
	}
}

func origin(id channels.Identity, chatID string) messages.Origin {
	return messages.Origin{
		Channel: name,
		Chat:    messages.Chat{Tenant: id.Tenant, ChatID: chatID},
		User:    id.User,
	}
}
