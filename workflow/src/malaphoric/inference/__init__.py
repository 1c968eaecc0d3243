"""From chi2 to best fits, profiles, intervals and regions, and their check."""
