"""annotate: therapist studies, from a design to a table of agreement. It shows drafts to raters, never to a client."""
