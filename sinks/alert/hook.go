package alert

import (
	"bytes"
	"context"
	"net/http"
	"time"
)

// hook makes the requests of a webhook.
type hook struct {
	*Webhook
	body *bodyTemplate // nil: the message as it is
}

func newHook(w *Webhook) (*hook, error) {
	h := &hook{Webhook: w}
	if w.Template == "" {
		return h, nil
	}
	var err error
	h.body, err = parseBody(w.Template, w.ContentType)
	return h, err
}

func (h *hook) request(ctx context.Context, m *Message, now time.Time) (*http.Request, error) {
	req, body, err := post(ctx, h.URL.Reveal(), m)
	if err != nil {
		return nil, err
	}
	if h.body != nil {
		if body, err = h.body.execute(body); err != nil {
			return nil, err
		}
		if req, err = http.NewRequestWithContext(ctx, http.MethodPost, h.URL.Reveal(), bytes.NewReader(body)); err != nil {
			return nil, err
		}
		req.Header.Set("Content-Type", h.ContentType)
	}
	req.Header.Set(HeaderKey, m.Key)
	if h.Secret != "" {
		req.Header.Set(HeaderSignature, Sign(h.Secret, now, body))
	}
	bearer(req, h.Token)
	return req, nil
}
