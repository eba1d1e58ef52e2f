package decode

func twitterV1Preset() preset { return preset{name: "twitter_v1"} }
