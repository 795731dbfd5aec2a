"""From the reply on: contact, review, survey, closing; repeats and merging; secrecy and publication."""
