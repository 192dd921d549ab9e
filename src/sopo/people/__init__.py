"""People's choices: what is asked, the store of answers, the pages that ask and show, and what is made of it."""
