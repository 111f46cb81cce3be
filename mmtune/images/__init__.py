"""Safe decoding of images, and the policies that turn an image into views and visual tokens."""
