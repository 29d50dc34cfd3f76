"""The same requests under each of the policies that come with the package.

qwenroute policy show cheapest                        # what one does, in words
qwenroute policy explain coding --ask "Why?"          # what becomes of one request, and why
qwenroute policy test                                 # its golden cases, in a folder of your own policies
"""

import os

from qwenroute import NoDeployment, Router

POLICIES = (
    "default", "cheapest", "fastest", "quality", "self_hosted", "one_region", "tenants", "long_documents", "coding",
)  # fmt: skip
# `one_region` reaches Frankfurt through a workspace; yours has an id of its own.
ENVIRON = {"DASHSCOPE_WORKSPACE_ID": "my-workspace", **os.environ}
REQUESTS = {
    "an easy question": "What is the capital of Australia?",
    "hard mathematics": "Prove that there are infinitely many primes of the form 4n + 3.",
    "code": "Write a Python function that merges overlapping intervals.",
    "a long document": "The tenant shall keep the premises in good repair. " * 2_000 + "Who repairs the roof?",
}

for name in POLICIES:
    with Router(name, environ=ENVIRON) as router:
        print(f"\n{name}")
        for what, text in REQUESTS.items():
            try:
                decision = router.route(messages=[{"role": "user", "content": text}])
            except NoDeployment as error:
                print(f"  {what:18} refused: {str(error).splitlines()[1].strip()}")
            else:
                print(f"  {what:18} {decision.rule}: {decision.first.deployment.id}")
        answer = router.chat.completions.create(
            messages=[{"role": "user", "content": "Name three rivers."}],
            qwenroute={"tenant": "acme"},  # whose budget it is, where the policy has any
        )
        print(f"  answered by {answer.route.deployment}")
