"""One module for each version of the schema, in their order. What was released is never changed."""
