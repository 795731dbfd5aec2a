"""Documents: bulletins, special reports, appraisal results and small papers as docx, xlsx and PDF, with charts.

`paper` is what a document says, free of any format; `word`, `sheets`, `pdf` and `charts` write it and are the only
doors to their libraries. `bulletin` and `papers` turn frozen figures and plain values into papers; `figures` freezes
figures; `work` makes reports as durable jobs. Writing is blocking and belongs into a thread.
"""
