"""Files whose every value is of the right kind, and which still cannot be meant: what is changed, and what is said."""

from __future__ import annotations

_RULE = "      pool: small\n"
_LIMITS = "limits: {deadline_s: 60}\n"
_TRY = "{experiment: try, kind: canary, pool: max, share: 0.1}"
_OWN = "    models: [qwen2.5-7b-instruct]\n"

MEANINGS: dict[str, tuple[str, str, str]] = {
    "an unknown section": (_LIMITS, _LIMITS + "limit: {}\n", "17:1 QR101 unknown key `limit` | did you mean `limits`?"),
    "a section of another's": (_LIMITS, "litellm_settings: {}\n", "16:1 QR101 unknown key `litellm_settings` | known keys: "),
    "no version": ("version: 1\n", "", "1:1 QR102 `version` is missing | write `version: 1`"),
    "no endpoints": (_LIMITS, "endpoints: {}\n", "16:1 QR005 key `endpoints` stands twice (line 2)"),
    "no provider": ("    provider: openai_compatible\n", "", "3:3 QR102 `provider` is missing"),
    "an unknown provider": ("openai_compatible", "openai", "4:5 QR104 `endpoints.own.provider` cannot be `openai`"),
    "no address": ("    base_url: http://gpu:8000/v1\n", "", "3:3 QR102 endpoint `own` needs `base_url`"),
    "no models": (_OWN, "", "3:3 QR102 endpoint `own` needs `models`"),
    "an empty list of models": (_OWN, "    models: []\n", "6:5 QR103 `endpoints.own.models` is empty | name at least one"),
    "an unknown model": (_OWN, "    models: [qwen2.5-7b-instruckt]\n", "6:14 QR205 unknown model `qwen2.5-7b-instruckt`"),
    "a typo in a served model": (_OWN, "    models: [{model: qwen-max, servd_as: x}]\n", "6:32 QR101 unknown key `servd_as`"),
    "a negative price": (
        _OWN, "    models: [{model: qwen-max, price: {currency: USD, input: -1, output: 1}}]\n",
        "6:55 QR103 `endpoints.own.models.0.price.input` has to be at least 0, not -1",
    ),
    "a negative rate limit": (_OWN, _OWN + "    rate_limits: {rpm: -60}\n", "7:19 QR103 `endpoints.own.rate_limits.rpm` has"),
    "an unknown region": (_OWN, _OWN + "    region: cn-bejing\n", "7:5 QR204 unknown region `cn-bejing` | did you mean"),
    "a pool of nothing": ("models: [qwen2.5-7b-instruct], endpoints: own}", "endpoints: own}", "8:3 QR206 pool `small`"),
    "a pool on an unknown endpoint": ("endpoints: own}", "endpoints: owm}", "8:42 QR203 unknown endpoint `owm` | did you"),
    "a pool with an unknown role": ("{models: [qwen2.5-7b-instruct],", "{roles: generl,", "8:11 QR104 `pools.small.roles` cannot be `generl`"),
    "a pool with an unknown tag": ("endpoints: own}", "tags: eu}", "8:42 QR223 unknown tag `eu`"),
    "an exception nobody knows": ("endpoints: own}", "except: gpt-4}", "8:42 QR205 unknown model `gpt-4`"),
    "an exception elsewhere": ("endpoints: own}", "except: qwen-max@owm}", "8:42 QR203 unknown endpoint `owm`"),
    "a pool of another's kind": ("endpoints: own}", "model_list: []}", "8:42 QR101 unknown key `model_list`"),
    "routes without rules": ("routes:\n", "routes:\n  x: []\n", "10:3 QR103 `routes.x` is empty | name at least one"),
    "a route that is a mapping": ("routes:\n", "routes:\n  x: {rule: a, pool: general}\n", "10:3 QR103 `routes.x` has to be a list"),
    "a route that is a word": ("routes:\n", "routes:\n  x: general\n", "10:3 QR103 `routes.x` has to be a list, not the text"),
    "an empty name": ("routes:\n", "routes:\n  '': [{rule: a, pool: general}]\n", "10:3 QR103 a name here is empty"),
    "a name as long as a book": (
        "routes:\n", f"routes:\n  {'x' * 201}: [{{rule: a, pool: general}}]\n", "10:3 QR103 the name `xxx"
    ),
    "a rule without a name": ("    - rule: first\n      when", "    - when", "11:7 QR102 `rule` is missing"),
    "a rule without a pool": (_RULE, "", "11:7 QR102 `pool` is missing"),
    "a rule that is a word": (
        "    - {rule: rest", "    - general\n    - {rule: rest", "15:7 QR103 `routes.auto.1` has to be a mapping of keys"
    ),
    "two rules of one name": ("{rule: rest", "{rule: first", "15:8 QR208 route `auto` has a rule `first` already (line 11)"),
    "an unknown pool": (_RULE, "      pool: smal\n", "13:7 QR201 unknown pool `smal` | did you mean `small`?"),
    "an unknown fallback": ("fallback: [general]", "fallback: [genral]", "14:18 QR201 unknown pool `genral` | did you mean"),
    "a fallback to itself": ("fallback: [general]", "fallback: small", "14:7 QR224 pool `small` falls back to itself"),
    "a fallback twice": ("fallback: [general]", "fallback: [max, max]", "14:23 QR224 `max` stands twice among the fallbacks"),
    "an unknown objective": (_RULE, _RULE + "      objective: cheep\n", "14:7 QR202 unknown objective `cheep` | did you mean"),
    "an objective below nothing": (_LIMITS, "objectives: {x: {cost: -1}}\n", "16:18 QR103 `objectives.x.cost` has to be at"),
    "an unknown usual objective": (_LIMITS, "objective: fastest\n", "16:1 QR202 unknown objective `fastest`"),
    "a rule that never holds": ("      when: {task: code}\n", "", "14:8 QR207 rule `rest` can never match"),
    "nowhere to go": ("    - {rule: rest, pool: general}\n", "", "11:7 QR207 the last rule of route `auto` has conditions"),
    "an unknown task": ("{task: code}", "{task: coding}", "12:14 QR104 `routes.auto.0.when.task` cannot be `coding`"),
    "a condition in the singular": ("{task: code}", "{tag: x}", "12:14 QR101 unknown key `tag` | did you mean"),
    "a condition that is null": ("{task: code}", "{task: ~}", "12:14 QR219 `task` says nothing, so it would always hold"),
    "a condition that is a list": ("{task: code}", "[task]", "12:7 QR103 `routes.auto.0.when` has to be a mapping of keys"),
    "a condition that is a word": ("{task: code}", "code", "12:7 QR103 `routes.auto.0.when` has to be a mapping of keys"),
    "any of nothing": ("{task: code}", "{any: []}", "12:14 QR103 `routes.auto.0.when.any` is empty | name at least one"),
    "any that is a mapping": ("{task: code}", "{any: {task: code}}", "12:14 QR103 `routes.auto.0.when.any` has to be a list"),
    "not a list": ("{task: code}", "{not: [{task: code}]}", "12:14 QR103 `routes.auto.0.when.not` has to be a mapping of keys"),
    "typo deep inside": ("{task: code}", "{any: [{not: {tsk: a}}]}", "12:27 QR101 unknown key `tsk` | did you mean `task`?"),
    "a pattern that stalls": ("{task: code}", "{pattern: '(a+)+b'}", "12:14 QR214 the pattern "),
    "a pattern that is none": ("{task: code}", "{pattern: '(a'}", "12:14 QR214 the pattern "),
    "an invisible keyword": ("{task: code}", "{keywords: ['\u200b']}", "12:25 QR215 a keyword that no text can match"),
    "a keyword twice": ("{task: code}", "{keywords: [a, A]}", "12:28 QR216 `A` stands here already (line 12)"),
    "examples without an encoder": ("{task: code}", "{examples: [a]}", "12:25 QR217 examples need an encoder"),
    "an hour that is no time": ("{task: code}", "{time: {from: 08:00, to: 08:00}}", "12:34 QR220 from 08:00 to 08:00 is no"),
    "a day in full": ("{task: code}", "{time: {days: Monday}}", "12:21 QR104 `routes.auto.0.when.time.days` cannot be"),
    "a secret header": ("{task: code}", "{headers: {authorization: present}}", "12:24 QR221 the header `authorization`"),
    "a confidence of more than all": ("{task: code}", "{min_confidence: 50}", "12:14 QR103 `routes.auto.0.when.min_conf"),
    "tokens upside down": ("{task: code}", "{prompt_tokens: {at_least: 9, at_most: 1}}", "12:43 QR219 no prompt has at least 9"),
    "caps below their base": (_LIMITS, "breaker: {open_s: 200}\n", "16:11 QR210 `breaker.open_s` is 200, and"),
    "a hedge without attempts": (_LIMITS, "limits: {max_attempts: 1}\nhedge: {}\n", "17:1 QR211 a hedge is a second attempt"),
    "an unknown licence": (_LIMITS, "limits: {licences: [apache]}\n", "16:21 QR209 unknown licence `apache`"),
    "a strategy of another's": (_LIMITS, "choice: {by: simple-shuffle}\n", "16:10 QR104 `choice.by` cannot be `simple-shuffle`"),
    "a failure nobody has": (_LIMITS, "fall_back_on: [everything]\n", "16:16 QR104 `fall_back_on.0` cannot be `everything`"),
    "a key under a comment": (
        _LIMITS, "# limits:\ndeadline_s: 60\n", "17:1 QR101 unknown key `deadline_s`"
    ),
    "a secret in a comment's place": (_LIMITS, "retired: sk-abcdefghij\n", "16:1 QR110 a secret does not belong in this file"),
    "a lesson without a sign": (_LIMITS, "teach: [{task: code, keywords: ~}]\n", "16:9 QR212 this line of `teach` says for no request"),
    "models that are null": (_OWN, "    models: ~\n", "3:3 QR102 endpoint `own` needs `models`"),
    "an encoder without an address": (
        _LIMITS, "embedding: {endpoint: ~, model: m, min_similarity: 0.5}\nteach: [{task: code, examples: a}]\n",
        "16:1 QR218 `embedding` needs one of `endpoint` and `base_url`",
    ),
    "two lessons in one": (_LIMITS, "teach: [{task: code, keywords: a, pattern: b}]\n", "16:9 QR212 this line of `teach` has"),
    "an encoder for nobody": (
        _LIMITS, "embedding: {base_url: http://e/v1, model: m, min_similarity: 0.5}\n", "16:1 QR217 nothing here has"
    ),
    "control characters in a name": (_RULE, '      pool: "\\e[31m"\n', "13:7 QR201 unknown pool `\\x1b[31m`"),
    "a name nobody sees": ("  own:\n", "  \u200bown:\n", "8:42 QR203 unknown endpoint `own` | did you mean `\\u200bown`?"),
    "a name over lines": (_RULE, '      pool: "a\\nb"\n', "13:7 QR201 unknown pool `a\\nb`"),
    "two budgets of one name": (
        _LIMITS, "budgets: [{budget: a, amount: 1, window: day}, {budget: a, amount: 2, window: hour}]\n",
        "16:49 QR230 there is a budget `a` already (line 16)",
    ),
    "an experiment that nobody knows": (_RULE, _RULE + "      experiment: tri\n", "14:7 QR240 unknown experiment `tri`"),
    "two experiments of one name": (
        _LIMITS, f"experiments: [{_TRY}, {_TRY}]\n", "16:72 QR241 there is an experiment `try` already (line 16)"
    ),
    "experiments whose names are lists": (
        _LIMITS, "experiments: [{experiment: [a]}, {experiment: {a: b}}, {}, {}]\n", "16:16 QR103 `experiments.0.experiment`"
    ),
    "a split that is taken back": (
        _LIMITS, "experiments: [{experiment: a, kind: ab, pool: max, share: 1, rollback: {}}]\n", "16:62 QR242 only a canary"
    ),
    "a shadow without a cap": (
        _LIMITS, "experiments: [{experiment: a, kind: shadow, pool: max, share: 1}]\n", "16:15 QR242 a shadow needs"
    ),
    "an experiment with nothing new": (
        "    - {rule: rest, pool: general}\n", f"    - {{rule: rest, pool: max, experiment: try}}\nexperiments: [{_TRY}]\n",
        "15:31 QR243 experiment `try` tries the pool",
    ),
}  # fmt: skip
