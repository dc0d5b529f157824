"""Rows with the columns that each dataset is published with, written for these tests, and what they say."""

from __future__ import annotations

from typing import Any

from reason_cli import Chat, Example, Item, Text, Turn

HOW = 'Answer with words of the text, or with "unanswerable" if it does not say.'


def chat(question: str, reply: str, **tags: str) -> Chat:
    return Chat((Turn("user", question), Turn("assistant", reply)), tags)


PROGRAM = "def solve():\n  return 6 * 7\nprint(solve())"
STACK = {
    **{"hexsha": "0f", "size": 14, "ext": "py", "lang": "Python", "avg_line_length": 14.0, "max_line_length": 14},
    **{"max_stars_repo_path": "a.py", "max_stars_repo_name": "me/a", "max_stars_repo_licenses": ["MIT"]},
    **{"content": "    print('hi')\n", "alphanum_fraction": 0.5},
}

PUBLISHED: dict[str, list[tuple[dict[str, Any], Item | None]]] = {
    "gsm8k": [
        (
            {"question": "Ada has 2 apples and buys 2. How many?", "answer": "She has 2+2=<<2+2=4>>4.\n#### 4"},
            Example("Ada has 2 apples and buys 2. How many?", "She has 2+2=4.", "4", {"steps": 1}),
        ),
        (
            {
                "question": "What costs more?",
                "answer": "How much is it? ** It is $500+500=$<<500+500=1000>>1000.\n#### 1,000",
            },
            Example("What costs more?", "How much is it? ** It is $500+500=$1000.", "1000", {"steps": 1}),
        ),
    ],
    "gsm-hard": [
        (
            {
                "input": "How many are 6 times 700001?",
                "code": "def solution():\n    return 4200006",
                "target": 4200006.0,
            },
            Example("How many are 6 times 700001?", "", "4200006"),
        ),
        (
            {"input": "How much is a tenth?", "code": "", "target": 3244047.0999999996},
            Example("How much is a tenth?", "", "3244047.0999999996"),
        ),
        (
            {"input": "How much is left?", "code": "", "target": -9867630.0},
            Example("How much is left?", "", "-9867630"),
        ),
    ],
    "svamp": [
        (
            {
                **{"ID": "chal-1", "Body": "A box holds 8 pens", "Question": "How many do 3 boxes hold?"},
                **{"Equation": "( 8.0 * 3.0 )", "Answer": "24.0", "Type": "Multiplication"},
                **{"question_concat": "A box holds 8 pens How many do 3 boxes hold?"},
            },
            Example("A box holds 8 pens. How many do 3 boxes hold?", "", "24", {"type": "Multiplication"}),
        ),
        (
            {"input": "A box holds 8 pens. How many do 3 boxes hold?", "target": 24.0},
            Example("A box holds 8 pens. How many do 3 boxes hold?", "", "24"),
        ),
    ],
    "asdiv": [
        (
            {
                **{"body": "Five boxes hold 4 pens each.", "question": "How many pens are there?"},
                **{"solution_type": "Multiplication", "answer": "20 (pens)", "formula": "5*4=20"},
            },
            Example(
                "Five boxes hold 4 pens each. How many pens are there?", "", "20", {"solution_type": "Multiplication"}
            ),
        ),
        (
            {
                **{"body": "A cake is cut into 4.", "question": "How much are 3 pieces?"},
                **{"solution_type": "Ratio", "answer": "3/4 (cake)", "formula": "3/4"},
            },
            Example("A cake is cut into 4. How much are 3 pieces?", "", "3/4", {"solution_type": "Ratio"}),
        ),
        (
            {
                **{"body": "7 pens go into boxes of 3.", "question": "How many boxes, and how many are left?"},
                **{"solution_type": "Common-Division", "answer": "2 (boxes); 1 (left)", "formula": "7/3=2 r1"},
            },
            None,
        ),
    ],
    "multiarith": [
        (
            {"question": " Tom has 3 bags of 4 pens and loses 2. How many are left? ", "final_ans": "10"},
            Example("Tom has 3 bags of 4 pens and loses 2. How many are left?", "", "10"),
        ),
    ],
    "math": [
        (
            {
                **{"problem": "What is $\\frac12 + \\frac14$?", "level": "Level 2", "type": "Prealgebra"},
                **{"solution": "It is \\boxed{1}? No: it is $\\boxed{\\frac{3}{4}}$."},
            },
            Example(
                "What is $\\frac12 + \\frac14$?",
                "It is \\boxed{1}? No: it is $\\boxed{\\frac{3}{4}}$.",
                "\\frac{3}{4}",
                {"level": "Level 2", "type": "Prealgebra"},
            ),
        ),
        (
            {"problem": "Five?", "level": "Level 1", "type": "Algebra", "solution": "Thus $x = \\boxed 5$."},
            Example("Five?", "Thus $x = \\boxed 5$.", "5", {"level": "Level 1", "type": "Algebra"}),
        ),
        (
            {"problem": "A set?", "level": "Level 3", "type": "Algebra", "solution": "\\fbox{\\{1, 2\\}}"},
            Example("A set?", "\\fbox{\\{1, 2\\}}", "\\{1, 2\\}", {"level": "Level 3", "type": "Algebra"}),
        ),
    ],
    "squad-v2": [
        (
            {
                **{"id": "1", "title": "Pens", "context": "Pens were made in Rome.", "question": "Where?"},
                "answers": {"text": ["Rome", "in Rome"], "answer_start": [18, 15]},
            },
            Example(
                f"Pens were made in Rome.\n\nWhere?\n{HOW}",
                "",
                "Rome",
                {"answerable": "yes"},
                {"answers": ("Rome", "in Rome")},
            ),
        ),
        (
            {
                **{"id": "2", "title": "Pens", "context": "Pens were made in Rome.", "question": "By whom?"},
                "answers": {"text": [], "answer_start": []},
            },
            Example(
                f"Pens were made in Rome.\n\nBy whom?\n{HOW}",
                "",
                "unanswerable",
                {"answerable": "no"},
                {"answers": ("unanswerable",)},
            ),
        ),
    ],
    "mathinstruct": [
        (
            {
                "source": "data/CoT/aqua_rat.json",
                "output": "Let's think about it.\n6 * 7 = 42\nThe answer is B.",
                "instruction": "What is 6 * 7?\nAnswer Choices: (A) 41 (B) 42",
            },
            Example(
                "What is 6 * 7?\nAnswer Choices: (A) 41 (B) 42",
                "Let's think about it.\n6 * 7 = 42",
                "B",
                {"kind": "reasoning"},
            ),
        ),
        (
            {"source": "data/CoT/MATH_train.json", "output": "It is \\boxed{42}.", "instruction": "What is 6 * 7?"},
            Example("What is 6 * 7?", "It is \\boxed{42}.", "42", {"kind": "reasoning"}),
        ),
        (
            {
                "source": "data/CoT/gsm_rft.json",
                "output": "Since 6 * 7 = 42, the answer is $42$.",
                "instruction": "6 * 7?",
            },
            Example("6 * 7?", "Since 6 * 7 = 42, the answer is $42$.", "42", {"kind": "reasoning"}),
        ),
        (
            {"source": "data/CoT/college_math.json", "output": "It is proven above.", "instruction": "Prove it."},
            chat("Prove it.", "It is proven above.", kind="reasoning"),
        ),
        (
            {"source": "data/PoT/gsm_gpt4.json", "output": PROGRAM, "instruction": "6 * 7? Write a program."},
            chat("6 * 7? Write a program.", PROGRAM, kind="program"),
        ),
    ],
    "metamath": [
        (
            {
                **{"type": "GSM_Rephrased", "query": "How many are 6 times 7?", "original_question": "6 * 7?"},
                "response": "6 * 7 = 42\n#### 42\nThe answer is: 42",
            },
            Example("How many are 6 times 7?", "6 * 7 = 42", "42", {"type": "GSM_Rephrased"}),
        ),
        (
            {
                **{"type": "MATH_AnsAug", "query": "Half?", "original_question": "Half?"},
                "response": "It is $\\boxed{\\frac{1}{2}}$.\nThe answer is: \\frac{1}{2}",
            },
            Example("Half?", "It is $\\boxed{\\frac{1}{2}}$.", "\\frac{1}{2}", {"type": "MATH_AnsAug"}),
        ),
    ],
    "openmathinstruct": [
        (
            {
                **{"question": "6 * 7?", "expected_answer": "42", "predicted_answer": "42", "error_message": ""},
                **{"is_correct": True, "generation_type": "without_reference_solution", "dataset": "gsm8k"},
                "generated_solution": "<llm-code>\n6 * 7\n</llm-code>\nThus \\boxed{42}.",
            },
            Example("6 * 7?", "<llm-code>\n6 * 7\n</llm-code>\nThus \\boxed{42}.", "42", {"dataset": "gsm8k"}),
        ),
        (
            {
                **{"question": "6 * 7?", "expected_answer": "42", "predicted_answer": "41", "error_message": "timeout"},
                **{"is_correct": False, "generation_type": "masked_reference_solution", "dataset": "math"},
                "generated_solution": "Thus \\boxed{41}.",
            },
            None,
        ),
        (
            {
                **{"problem": "6 * 7?", "generated_solution": "Thus \\boxed{42}.", "expected_answer": "42"},
                "problem_source": "augmented_math",
            },
            Example("6 * 7?", "Thus \\boxed{42}.", "42", {"problem_source": "augmented_math"}),
        ),
        ({"instruction": "6 * 7?", "response": "Thus \\boxed{42}."}, Example("6 * 7?", "Thus \\boxed{42}.", "42")),
    ],
    "numinamath-cot5m": [
        (
            {
                **{"problem_id": 7, "prompt": "What is 6 * 7?", "ground_truth": "42", "correct": True},
                "response": "Let me see. 6 * 7 = 42.\n\n\\[ \\boxed{42} \\]",
            },
            Example("What is 6 * 7?", "Let me see. 6 * 7 = 42.\n\n\\[ \\boxed{42} \\]", "42"),
        ),
        (
            {
                **{"problem_id": 7, "prompt": "What is 6 * 7?", "ground_truth": "42", "correct": True},
                "response": "<think>\n6 * 7 = 42\n</think>\n\n\\boxed{42}",
            },
            Example("What is 6 * 7?", "6 * 7 = 42", "42"),
        ),
        (
            {
                **{"problem_id": 7, "prompt": "What is 6 * 7?", "ground_truth": "42", "correct": False},
                "response": "So it is 41.",
            },
            None,
        ),
    ],
    "ultrachat": [
        (
            {
                **{"prompt": "Hello?", "prompt_id": "ab"},
                "messages": [
                    {"content": "Hello?", "role": "user"},
                    {"content": "Good day. ", "role": "assistant"},
                    {"content": "How are you?", "role": "user"},
                    {"content": "Well.", "role": "assistant"},
                ],
            },
            Chat(
                (
                    Turn("user", "Hello?"),
                    Turn("assistant", "Good day."),
                    Turn("user", "How are you?"),
                    Turn("assistant", "Well."),
                )
            ),
        ),
        ({"prompt": "Hello?", "prompt_id": "ab", "messages": [{"content": "Hello?", "role": "user"}]}, None),
    ],
    "the-stack-dedup": [(STACK, Text("    print('hi')\n"))],
    "github-code": [
        (
            {
                **{"code": "\tprint 'hi'\n", "repo_name": "me/a", "path": "a/b.py", "language": "Python"},
                **{"license": "mit", "size": 12},
            },
            Text("\tprint 'hi'\n"),
        ),
        (
            {"content": "int x;\n", "repo_name": "me/a", "path": "a/b.c", "license": "mit", "size": 7},
            Text("int x;\n"),
        ),
    ],
    "columns": [({"question": "2 + 2?", "answer": "4"}, Example("2 + 2?", "", "4"))],
}
