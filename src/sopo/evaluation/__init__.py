"""How good generated motions are: metrics on embeddings, and the protocol that feeds them."""
