"""Texts of LLaVA's early templates that put tags around an image (``mmtag``)."""

TAG_OPEN, TAG_CLOSE = "<Image>", "</Image>"

TAG_NOTICE = "The visual content will be provided with the following format: <Image>visual content</Image>."

TAGGED_SYSTEM = (
    "A chat between a curious user and an artificial intelligence assistant. The assistant is able to "
    "understand the visual content that the user provides, and assist the user with a variety of tasks "
    "using natural language." + TAG_NOTICE
)
