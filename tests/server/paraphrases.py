"""Made-up questions about a made-up product, grouped by what they ask: the clustering's threshold was chosen on them.

Groups are neighbours on purpose: several are about tokens, several about exports, so that the words alone mislead.
"""

GROUPS: tuple[tuple[str, ...], ...] = (
    (
        "How do I rotate an API token?",
        "Can I rotate the API tokens?",
        "What is the way to rotate API tokens?",
        "rotate api token",
    ),
    ("How long is an API token valid?", "When does an API token expire?", "What is the lifetime of an API token?"),
    ("Where do I find my API token?", "Where is my API token shown?"),
    (
        "Can I export a notebook as PDF?",
        "How do I export notebooks to PDF?",
        "Is there a PDF export for notebooks?",
        "export notebook pdf",
    ),
    ("Can I import notebooks from Markdown files?", "How do I import Markdown files as notebooks?"),
    ("Does it run on Windows?", "Is Windows supported?", "Can I run it on Windows?"),
    ("Does it run on ARM processors?", "Is ARM supported?"),
    ("How much does the team plan cost?", "What is the price of the team plan?", "team plan pricing"),
    ("How many members may a team have?", "What is the maximum number of team members?"),
    ("How do I cancel my subscription?", "How can I cancel the subscription?", "Cancel subscription"),
    ("How do I set up single sign-on with SAML?", "Is SAML single sign-on supported?", "Configure SSO with SAML"),
    ("How do I back up the database?", "How can I make a backup of the database?", "database backup"),
    ("How do I restore a database backup?", "Restoring the database from a backup"),
    ("Is there a dark theme?", "Can I switch on a dark mode?", "dark mode"),
    ("Which port does the server listen on?", "What port does the server use?", "How do I change the server's port?"),
    ("How do I call the REST API from Python?", "Is there a Python client for the REST API?"),
    ("Are webhooks retried when they fail?", "How often are failed webhooks retried?"),
    ("How do I verify the signature of a webhook?", "Webhook signature verification"),
    ("Where are uploaded files stored?", "In which place are uploads stored?"),
    ("What is the size limit of an upload?", "How large may an uploaded file be?", "maximum upload size"),
)
