"""What the process tells about itself: log lines (`log`) and numbers (`metrics`).

Everybody logs through ``structlog.get_logger()``; `app` configures it once. Numbers are pulled: a part hands over a
function that is asked at each scrape, so that nothing is counted twice and nothing runs when nobody looks.
"""
