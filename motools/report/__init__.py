"""The report: results as one page, without network or JavaScript, the same from the same results."""
