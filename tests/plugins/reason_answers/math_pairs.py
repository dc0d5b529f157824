r"""Pairs of mathematical answers that are the same, and near misses that are not, by kind.

A kind is written as lines `one == other` and `one != other`, with ` == ` between all of several that are the same.
"""

from __future__ import annotations

from itertools import pairwise

_KINDS = {
    "numbers": r"""
        5 == 5.0 == 5. == 5.00 == $5$ == \(5\) == {5} == +5 == 05
        -3 == −3 == -3.0 == \text{-3} == \mathbf{-3} == - 3
        1,000 == 1000 == 1{,}000 == 1\,000 == 1,\!000 == 1000.0 == $1{,}000$
        1 000 000 == 1000000 == 1\,000\,000
        1,234,567.5 == 1234567.5 == 1{,}234{,}567.50
        0.5 == .5 == 0.50
        -0 == 0
        5 != 6
        5 != -5
        1,000 != 1
        1, 2 != 12
        12,34 != 1234
        1.5 != 15
        100 != 1000
        3.14 != 3.1
        0.1 != 0.10001
        5 !=
        \{1, 2\} != 3
    """,
    "fractions": r"""
        \frac{1}{2} == \frac12 == \dfrac{1}{2} == \tfrac12 == \cfrac{1}{2} == 1/2 == 0.5 == \frac{1}2 == \frac1{2}
        \frac{2}{4} == 1/2 == \frac{-1}{-2} == 3/6
        -\frac{1}{2} == \frac{-1}{2} == \frac{1}{-2} == -1/2 == -0.5 == {-\frac12}
        1\frac12 == 1\frac{1}{2} == \frac{3}{2} == 1.5 == 1 1/2 == 1\ \frac{1}{2} == 1 \dfrac12
        -2\frac{3}{4} == -2.75 == -\frac{11}{4}
        \frac{\frac12}{3} == \frac16 == \frac{1}{2 \cdot 3}
        \frac{22}{7} == 22/7 == 22 \div 7
        \frac{3}{4} == 0.75 == \left(\frac{3}{4}\right)
        0.\overline{3} == \frac13 == 0.\bar{3}
        0.1\overline{6} == 1/6 == 0.1(6)
        \frac{1}{2} != \frac{2}{1}
        \frac13 != 0.333
        \frac13 != 0.3333333333
        1\frac12 != \frac12
        0.(3) != 0
        1\frac12 != 1 \cdot \frac12
        \frac{22}{7} != \pi
        \frac{1}{2} != 12
        \frac{1}{0} != 0
        \frac{13}{2} != \frac{1}{32}
    """,
    "radicals": r"""
        \sqrt{8} == 2\sqrt2 == 2\sqrt{2} == 2 \cdot \sqrt{2} == \sqrt 8 == 2^{3/2} == 2^{1.5} == 2√2 == sqrt(8)
        \frac{1}{\sqrt2} == \frac{\sqrt2}{2} == \frac{\sqrt{2}}{2} == 2^{-1/2} == \sqrt{\frac12} == \sqrt{0.5}
        \sqrt[3]{8} == 2 == \sqrt{4} == 8^{1/3} == 8^{\frac13}
        \sqrt[3]{-8} == -2
        \sqrt[3]{54} == 3\sqrt[3]{2}
        \sqrt{3+2\sqrt{2}} == 1+\sqrt{2}
        \frac{1}{\sqrt{3}-\sqrt{2}} == \sqrt{3}+\sqrt{2}
        \frac{3+\sqrt{5}}{2} == \frac{\sqrt{5}+3}{2} == 1.5 + \frac{\sqrt5}{2}
        \sqrt{12}+\sqrt{27} == 5\sqrt{3}
        2\sqrt{2} != 2.8284271247
        \sqrt{8} != 2\sqrt{3}
        \sqrt{2} != 2
        \sqrt{2} != 1.414
        \sqrt[3]{2} != 3\sqrt{2}
        \sqrt{2}+\sqrt{3} != \sqrt{5}
        1+\sqrt2 != 1-\sqrt2
        \sqrt{23} != \sqrt{2}3
    """,
    "powers": r"""
        2^{10} == 1024 == 2^10 == 2^{5} \cdot 2^5 == 2**10 == 4^5
        2^{-3} == \frac18 == 0.125 == 2^{-2}/2
        10^{-2} == 0.01
        2^{3^2} == 512 == 2^{9}
        (-2)^3 == -8 == -2^3
        -2^2 == -4
        1.2 \times 10^3 == 1200 == 1.2e3 == 1.2 \cdot 10^{3} == 12 \times 10^2 == 1.2 × 10^3 == 1.2E3
        6.02 \times 10^{23} == 602000000000000000000000 == 6.02e23
        2.5 \times 10^{-3} == 0.0025 == 2.5e-3
        9^{9^{9}} == 9^{9^9}
        2^{100} == 1267650600228229401496703205376
        3^{2005} != 3^{2004}
        2^{10} != 20
        (-2)^2 != -2^2
        10^{3} != 103
        1.2 \times 10^3 != 1.2 \times 10^4
        2^{3^2} != (2^3)^2
        9^{9^{9}} != 9^{9^{8}}
    """,
    "constants": r"""
        2\pi == \pi \cdot 2 == 2π == 2 \pi == \pi + \pi == 2pi
        \frac{\pi}{2} == \pi/2 == 0.5\pi == \frac{1}{2}\pi == \frac\pi2
        e^2 == e \cdot e == \exp(2) == e^{2}
        \frac{4}{3}\pi r^3 == \frac{4\pi r^3}{3}
        25\pi \text{ square inches} == 25\pi
        \pi != 3.14
        \pi != 3.14159265358979
        \pi != 180
        2\pi != 2
        2 pi != 2
        e != 2.718281828
        \pi^2 != 2\pi
        \frac{\pi}{3} != \frac{3}{\pi}
    """,
    "factorials and binomials": r"""
        5! == 120 == 5 \cdot 4! == 5 \times 4 \times 3!
        \binom{5}{2} == 10 == \dbinom52 == {5 \choose 2}
        \frac{10!}{8!} == 90
        10!/(8!2!) == 45
        \binom{n}{k} == \frac{n!}{k!(n-k)!} == \binom{n}{n-k}
        \binom{n}{2} == \frac{n(n-1)}{2}
        n! == n \cdot (n-1)!
        100! == 100 \cdot 99!
        5! != 5
        \binom{5}{2} != \frac52
        \binom{5}{1} != \binom{5}{2}
        3! != 3
        0! != 0
    """,
    "trigonometry": r"""
        \sin 30^\circ == \frac12 == \sin(30^{\circ}) == \cos\frac{\pi}{3} == \sin \frac{\pi}{6}
        \sin\left(\frac{\pi}{6}\right) == \frac12
        \cos 45^\circ == \frac{\sqrt{2}}{2}
        \tan 60^\circ == \sqrt3
        \sin^2 x + \cos^2 x == 1
        2\sin x\cos x == \sin 2x == \sin(2x)
        \arctan 1 == \frac{\pi}{4} == \tan^{-1} 1 == \tan^{-1}(1) == \operatorname{arctan} 1
        \sin x \cos y == \cos y \sin x
        \sec x == \frac{1}{\cos x}
        \cos(\pi) == -1
        \sin 30 != \frac12
        \sin x != \cos x
        \sin 2x != 2\sin x
        \sin^2 x != \sin x^2
        \sin^{-1} x != \frac{1}{\sin x}
        \tan 60^\circ != \sqrt{2}
    """,
    "logarithms": r"""
        \log_2 8 == 3 == \log_{2}{8} == \log_2(8) == \log_{10} 1000 == \log 1000
        \ln e^2 == 2
        \ln 6 == \ln 2 + \ln 3 == \ln(2)+\ln(3)
        \frac{\ln 3}{\ln 2} == \log_2 3
        \log_4 x == \frac{\log_2 x}{2}
        e^{\ln 5} == 5
        \log_2 8 != 4
        \ln 2 != \log 2
        \log_2 3 != \log_3 2
        \ln 6 != \ln 2 \cdot \ln 3
        \log_2 3 != 1.585
    """,
    "degrees, percent, money": r"""
        90^\circ == 90 == 90^{\circ} == 90° == 90\degree == 90 \text{ degrees}
        50\% == 50 == 50% == 50 \%
        \$18 == 18 == \$18.00 == $18 == 18 dollars == \text{\$}18
        \$1,200 == 1200
        12.5\% == 12.5 == \frac{25}{2}\%
        50\% != 0.5
        \$5 != 5\%
        90^\circ != \frac{\pi}{2}
        90^\circ != 9
        \$18 != 1.8
        50\% != 5\%
        20 cents != \$20
    """,
    "units": r"""
        5\text{ cm} == 5 == 5 cm == 5\,\mathrm{cm} == 5cm == 5\ \text{centimeters} == 5\text{cm}
        12 \text{ cm}^2 == 12 == 12\text{ cm}^{2} == 12 square centimeters
        5 apples == 5 == 5 \text{ apples}
        5 \mbox{ inches}^2 == 5
        10\mathrm{~m/s} == 10 == 10 \text{ m/s}
        \frac{3}{4}\text{ mile} == 0.75 == 3/4 miles
        60 miles per hour == 60 mph == 60
        1.5 \text{ million} == 1500000 == 1.5 million dollars
        3 hours == 3 == 3 \text{ hrs}
        2 feet == 2 ft
        5\text{ cm} != 5\text{ m}
        5\text{ cm} != 6\text{ cm}
        5\text{ p.m.} != 5\text{ a.m.}
        3 hours != 3 minutes
        3 million != 3
        3 billion != 3 million
        5x != 5
        5 x != 5
        5\text{ cm} != 25
    """,
    "polynomials": r"""
        x^2+2x+1 == (x+1)^2 == 1+2x+x^2 == (x+1)(x+1) == (1+x)^2 == x^{2} + 2x + 1 == x(x+2)+1
        x+1 == 1+x == 1 + x
        2x == x \cdot 2 == x+x == 2 \cdot x == 2*x
        (x-2)(x+3) == x^2+x-6 == (x+3)(x-2)
        3x^2y == 3yx^2 == 3 x^{2} y
        a^2-b^2 == (a-b)(a+b)
        \frac{x^2-1}{x-1} == x+1
        \frac{x}{2} == \frac12 x == x/2 == 0.5x
        \frac{1}{x} == x^{-1} == 1/x
        -(x-1) == 1-x
        \frac{a+b}{c} == \frac{a}{c}+\frac{b}{c} == (a+b)/c
        n(n+1)/2 == \frac{n^2+n}{2} == \frac{n(n+1)}{2}
        x_1 + x_2 == x_2+x_1 == x_{1}+x_{2}
        \alpha\beta == \beta\alpha
        x^3 - 1 == (x-1)(x^2+x+1)
        \sqrt{x^2} == |x|
        \sqrt{x}\sqrt{x} == x
        60x\sqrt{x} == 60\sqrt{x^3}
        x+1 != 1
        x+1 != x-1
        x^2+2x+1 != x^2+1
        (x+1)^2 != x^2+1
        x != y
        xy != x+y
        x^2 != 2x
        x_1 != x_2
        x != X
        \frac{1}{x} != x
        \frac{a+b}{c} != a+\frac{b}{c}
        \sqrt{x^2} != x
        ab != a
        2x+1 != 2(x+1)
        x^{12} != x^{1}2
        \sqrt{-1-x^2} != \ln(-x^2)
        \frac{1}{x-x} != \frac{2}{x-x}
    """,
    "equations": r"""
        AB = 5 == 5
        \angle ABC = 5 == 5
        f^{-1}(x) = x-1 == x-1
        f'(x) = 2x == 2x
        y = 2x+1 == 2x+1 == y=1+2x == f(x) = 2x+1 == 2x+1=y == y - 2x = 1
        x = 5 == 5 == x=5.0 == 5 = x == 2x = 10
        2x - y = 3 == y = 2x-3 == -2x+y+3=0 == 4x - 2y = 6
        x^2+y^2=25 == y^2 + x^2 = 25 == x^2+y^2-25=0
        y=\frac{1}{2}x == x - 2y = 0
        A = \pi r^2 == \pi r^2
        x \approx 3.2 == 3.2
        2+3 = 5 == 5
        S = \frac{1}{2} \cdot 4 \cdot 5 = 10 == 10
        x_1 = 4 == 4
        x = 5 != y = 5
        x = 5 != x = -5
        y = 2x+1 != y = 2x-1
        y = 2x+1 != x = 2y+1
        x^2+y^2=25 != x^2-y^2=25
        2x - y = 3 != 2x + y = 3
        y = 2x+1 != 2x
        x = 5 != x > 5
        2+3 = 6 != 6
        xy = 6 != 6
    """,
    "inequalities": r"""
        x > 3 == 3 < x == x \gt 3 == (3, \infty) == x \in (3,\infty)
        x \geq 3 == x \ge 3 == x >= 3 == x ≥ 3 == 3 \leq x == [3,\infty) == x \geqslant 3
        1 < x \leq 2 == (1,2] == 2 \ge x > 1 == x \in (1, 2]
        x+y < 3 == 3 > x+y == x < 3-y == 2x+2y<6
        2x + 1 > 5 == x > 2
        x < 1 \text{ or } x > 3 == (-\infty,1)\cup(3,\infty) == x>3 or x<1
        x \neq 2 == x \ne 2 == (-\infty, 2) \cup (2, \infty)
        \{x : x > 3\} == (3,\infty) == \{x \mid x > 3\} == \{ x | x > 3 \}
        x > 3 != x < 3
        x > 3 != x \ge 3
        x > 3 != 3
        x > 3 != y > 3
        x > 3 != x > 4
        1 < x < 2 != 1 \le x < 2
        x+y<3 != x+y>3
        -x > 3 != x > 3
        x \neq 2 != x = 2
    """,
    "intervals": r"""
        (0,1] == (0, 1] == \left(0,1\right] == x \in (0,1]
        [0,1) == x \in [0,1) == 0 \le x < 1 == \left[0, \frac22\right)
        (-\infty, 3] == x \le 3 == (-\infty,3] == \left(-\infty, 3\right] == (-∞, 3]
        (-\infty,0)\cup(1,\infty) == (1,\infty) \cup (-\infty,0) == (-∞,0) ∪ (1,∞)
        [1,2] \cup [3,4] == [3,4]\cup[1,2]
        (-\infty,\infty) == \mathbb{R} == x \in \mathbb{R}
        \left[\frac12, \sqrt{2}\right] == [0.5,\sqrt2]
        [-1,1] == \left[ -1 , 1 \right]
        (0,1] != [0,1]
        (0,1] != (0,1)
        [0,1) != (0,1]
        (-\infty,3] != (-\infty,3)
        (-\infty,0)\cup(1,\infty) != (-\infty,1)\cup(0,\infty)
        [1,2]\cup[3,4] != [1,2]
        (3,\infty) != (-\infty,3)
        [1,2] != [2,1]
        [1,2] != 1,2
    """,
    "sets": r"""
        \{1,2\} == \{2,1\} == \{1, 2, 2\} == \left\{1,2\right\} == \lbrace 1, 2 \rbrace == 1, 2 == \{2, 1.0\}
        \{\frac12, 3\} == \{3, 0.5\}
        \emptyset == \varnothing == \{\} == ∅
        x \in \{1,2\} == \{1,2\} == x=1 \text{ or } x=2
        \{a,b\} == \{b,a\}
        \{(1,2),(3,4)\} == \{(3,4),(1,2)\}
        \{-1,0,1\} == \{1,0,-1\}
        \{1,3\} \cup \{2,4\} == \{1,2,3,4\}
        \{1,2\} != \{1,3\}
        \{1,2\} != \{1,2,3\}
        \{1,2\} != (1,2)
        \emptyset != \{0\}
        \emptyset != 0
        \{12\} != \{1,2\}
        \{(1,2)\} != \{(2,1)\}
        \{1\} != \{1,2\}
    """,
    "points": r"""
        (1,2) == (1, 2) == \left(1,2\right) == (1.0, \frac42) == ( 1 , 2 )
        (\frac12, -3) == (0.5,-3)
        (1,2),(3,4) == (3,4),(1,2) == (3,4) \text{ and } (1,2)
        (3, \frac{\pi}{2}) == \left( 3, \frac{\pi}{2} \right) == (3,\pi/2)
        (100,200) == (100, 200)
        (x, x+1) == (x, 1+x)
        \langle 1, 2 \rangle == \left\langle 1,2\right\rangle
        (1,2) != (2,1)
        (1,2) != [1,2]
        (1,2) != (1,2,3)
        (1,2) != 12
        (1,2),(3,4) != (1,3),(2,4)
        (1,2) != 1,2
        (1,2) != (1,-2)
        (100,200) != 100200
    """,
    "lists": r"""
        1, 2 == 2, 1 == 1,2 == 1 and 2 == 1 \text{ and } 2 == x = 1 or x = 2 == x=1, x=2 == $1$ and $2$
        2 \text{ or } 1 == 1, 2
        1, 2, and 3 == 3,2,1 == 1;2;3
        \frac12, \sqrt2 == \sqrt{2}, 0.5
        x=1, y=2 == y=2, x=1
        1, 2 != 1, 3
        1, 2 != 1
        1, 2, 3 != 1, 2
        5 or 6 != 5
        x=1, y=2 != x=2, y=1
        1, 2 != 1.2
    """,
    "plus or minus": r"""
        \pm 2 == \{2,-2\} == 2, -2 == x = \pm 2 == -2 or 2 == ±2 == \mp 2
        3 \pm 2\sqrt{2} == 3+2\sqrt{2}, 3-2\sqrt{2} == 3-\sqrt{8}, 3+\sqrt{8}
        \frac{-1 \pm \sqrt{5}}{2} == \frac{-1+\sqrt5}{2}, \frac{-1-\sqrt5}{2}
        (\pm 1, 2) == (1,2),(-1,2)
        \pm\sqrt{3} == \sqrt3, -\sqrt3
        \pm 2 != 2
        \pm 2 != -2
        \pm 2 != \pm 3
        3 \pm 2 != 5
        3 \pm \sqrt2 != \sqrt2 \pm 3
    """,
    "matrices": r"""
        \begin{pmatrix} 1 & 2 \\ 3 & 4 \end{pmatrix} == \begin{bmatrix}1&2\\3&4\end{bmatrix}
        \begin{bmatrix}1&2\\3&4\end{bmatrix} == \begin{pmatrix}1&2\\3&\frac82\\\end{pmatrix}
        \begin{pmatrix} 1 & 2 \\ 3 & 4 \end{pmatrix} == \left(\begin{array}{cc}1&2\\3&4\end{array}\right)
        \begin{pmatrix} -2 \\ \frac12 \end{pmatrix} == \begin{pmatrix} -2 \\ 0.5 \end{pmatrix}
        \begin{pmatrix} 1 & 2 \\ 3 & 4 \end{pmatrix} != \begin{pmatrix} 1 & 3 \\ 2 & 4 \end{pmatrix}
        \begin{pmatrix} 1 \\ 2 \end{pmatrix} != \begin{pmatrix} 1 & 2 \end{pmatrix}
        \begin{pmatrix} 1 \\ 2 \end{pmatrix} != \begin{pmatrix} 2 \\ 1 \end{pmatrix}
        \begin{pmatrix} 1 \\ 2 \end{pmatrix} != \begin{pmatrix} 1 \\ 2 \\ 3 \end{pmatrix}
        \begin{vmatrix} 1 & 2 \\ 3 & 4 \end{vmatrix} != \begin{pmatrix} 1 & 2 \\ 3 & 4 \end{pmatrix}
    """,
    "words": r"""
        \text{Evelyn} == Evelyn == evelyn == \textbf{Evelyn} == \mathrm{Evelyn} == \text{ Evelyn } == Evelyn.
        \text{Yes} == yes == Yes
        \text{June 20} == June 20
        no solution == \text{No solution}
        \text{even} == even
        \text{Alice and Bob} == Bob and Alice == Bob, Alice
        \text{neither} == neither
        \text{three} == 3 == three == Three
        twenty-five == 25
        all real numbers == \mathbb{R} == (-\infty,\infty) == \text{All real numbers}
        no solution == \emptyset == \{\}
        \text{Friday} == friday
        \text{Evelyn} != Evan
        three != 4
        no solution != one solution
        \text{even} != odd
        Yes != No
        \text{June 20} != June 21
        \text{Evelyn} != Velyne
        \text{Alice and Bob} != Alice
        \text{Yes} != 5
    """,
    "choices": r"""
        (A) == A == \text{(A)} == \text{A} == \textbf{(A)} == \mathbf{A} == \mathrm{(A)} == \textbf{A} == A.
        (A) != (B)
        \text{A} != B
        (A) != 1
        \text{(C)} != \text{(D)}
    """,
    "bases": r"""
        1010_2 == 1010_{2} == (1010)_2 == 10 == 10_{10} == 12_8
        2516_8 == 2516_{8}
        FF_{16} == 255
        10_2 == 2
        1010_2 != 1010
        1010_2 != 1011_2
        10_2 != 10_3
        12_8 != 12
        12_2 != 12
    """,
    "absolute values and rounding": r"""
        |x+1| == |-x-1|
        |x-1| == |1-x| == \left|x-1\right| == \lvert x-1\rvert
        |-5| == 5 == \left| -5 \right| == \lvert 5 \rvert
        ||x|-1| == |1-|x||
        2|x| == |2x|
        \lfloor 3.7 \rfloor == 3 == \lceil 2.1 \rceil
        |x| != x
        |x+1| != 1+x
        |x-20| != 20-x
        |x+30| != x+30
        |x-1| != |x+1|
        |-5| != -5
        \lfloor 3.7 \rfloor != 4
        \lfloor x \rfloor != \lceil x \rceil
    """,
    "complex numbers": r"""
        2+3i == 3i+2 == 2 + 3 i == 2+3\mathrm{i} == 3i + \frac{4}{2}
        i^2 == -1
        (1+i)^2 == 2i
        \frac{1+i}{1-i} == i
        \sqrt{-4} == 2i
        e^{i\pi} == -1
        \frac{-1+i\sqrt{3}}{2} == -\frac12+\frac{\sqrt3}{2}i
        |3+4i| == 5
        a + bi == bi + a
        2+3i != 2-3i
        2+3i != 3+2i
        2+3i != 5
        i != 1
        i != -i
        2i != 2
    """,
    "infinity": r"""
        \infty == +\infty == ∞ == \text{infinity} == infinity
        -\infty == -∞
        \infty != -\infty
        \infty != 0
        \infty != 1000000
        \infty != \text{undefined}
    """,
    "ratios and times": r"""
        3:2 == 3 : 2 == 3\colon 2
        5:30 == 5:30 \text{ p.m.}
        1:2:3 == 1 : 2 : 3
        3:2 != 2:3
        3:2 != 3
        5:30 \text{ p.m.} != 5:30 \text{ a.m.}
        5:30 != 5:31
    """,
    "reported by users of other graders": r"""
        \frac{x}{7}+\frac{2}{7} == \frac{x+2}{7}
        \sec^2(y) == \tan^2(y)+1
        -34x-45y+20z-100=0 == 34x+45y-20z+100=0
        2x+4y-3=0 == y = -1/2*x + 3/4
        (0, 12.5) == 0 < x < 12.5
        m \geq \sqrt{2} == m \in [\sqrt{2}, +\infty)
        \sqrt{1/n} == \frac{1}{\sqrt{n}}
        7*sin(pi*x/5)+1 == 7\sin(\frac{\pi}{5}x)+1
        3\cos(2\sqrt{35}t) == 3*cos(sqrt(980/7)*t)
        (1,4.5) == (1,\frac{9}{2})
        \text{13} == 13
        9a + 11 == 11 + 9a
        \begin{pmatrix}\frac{1}{3x^{2/3}}&0\end{pmatrix} == (\begin{pmatrix}\frac{1}{3\sqrt[3]{x}^2}&0\\\end{pmatrix})
        1 - \frac{1}{\mathrm{e}} != 1 + \frac{1}{\mathrm{e}}
        \frac{1}{2004!} != \frac{1}{2006!}
        \frac{1}{2^{99}} != \frac{1}{2^{98}}
        \frac{2^{2005}+1}{3 \cdot 2^{2006}} != \frac{1}{3 \cdot 2^{2006}}
        n=2, 3, 4 != n=1, 2, 3
        D = (0, 1) != D = (0, 1.5)
        F_n = \sum_{k=0}^{n-1} F_k F_{n-k-1} != F_n = \sum_{k=0}^{n-2} F_k F_{n-k-2}
        19, 46, \text{ and } 82 != 21, 36, and 82
        1, 2, \ldots, n != 1, 3, 5, \ldots, 2n-1
        1:2:3:\ldots != 1:4:9:\ldots
        12:00 != 1:00
        4 != 4\sqrt(2)
        3x-y+13=0 != 3x + 4y + 14=0
        f(x) = 0 != \forall x>0, f(x) = 0
    """,
    "looks": r"""
        \displaystyle\frac12 == \frac12 == \frac{1}{2}\,
        \left( \frac{1}{2} \right) == \frac12
        \left[ 1, 2 \right) == [1,2)
        \boxed{5} == 5
        x^2\,+\;1 == x^2+1 == x^2 \quad + 1
        {{{5}}} == 5
        = 5 == 5 == \approx 5
        x² + 1 == x^2+1
        1½ == 1.5 == 1\frac12
        ５ == 5
        \bigl(1,2\bigr) == (1,2)
        \operatorname{lcm} == \text{lcm}
        \begin{cases} x \\ y \end{cases} == \begin{cases}x\\y\end{cases}
        \displaystyle\frac12 != \frac13
        $ != %
        = !=
        \left( 1, 2 \right) != \left[ 1, 2 \right]
        \begin{cases} x \\ y \end{cases} != \begin{cases} y \\ x \end{cases}
        x \text{ is even} != x
    """,
}


def _pairs() -> tuple[list[tuple[str, str, str]], list[tuple[str, str, str]]]:
    same, different = [], []
    for kind, lines in _KINDS.items():
        for line in filter(None, map(str.strip, lines.splitlines())):
            if " == " in line:
                first, *others = line.split(" == ")
                same += [(kind, first, other) for other in others]
                same += [(kind, one, other) for one, other in pairwise(others)]
            else:
                one, _, other = line.partition(" !=")
                different.append((kind, one.strip(), other.strip()))
    return same, different


SAME, DIFFERENT = _pairs()
