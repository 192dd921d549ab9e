"""Tables, figures and the page that tell what a run did."""
