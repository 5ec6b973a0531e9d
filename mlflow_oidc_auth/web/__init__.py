"""What our pages and our JSON share: forms, bodies, answers, the look. It knows no rule and no table."""
