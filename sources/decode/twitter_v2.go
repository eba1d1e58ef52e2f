package decode

func twitterV2Preset() preset { return preset{name: "twitter_v2"} }
func mastodonPreset() preset  { return preset{name: "mastodon"} }
func jetstreamPreset() preset { return preset{name: "jetstream"} }
