"""Why a bound is what it is: its terms, what they rest on, and what would change them."""
