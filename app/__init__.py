"""The application that ships as the container: one image, roles by environment variable."""
