"""Decide without calling, and print why."""

from qwenroute import NoDeployment, Router, explain

with Router() as router:
    decision = router.route(
        messages=[{"role": "user", "content": "Prove that the square root of 2 is irrational."}],
    )
    print(explain(decision))

    # What nothing can serve is refused before anything is sent, with the reasons.
    try:
        router.route(messages=[{"role": "user", "content": "word " * 2_000_000}])
    except NoDeployment as error:
        print(f"\nrefused: {error}")
