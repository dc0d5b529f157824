"""Worlds of people: what they collect, pick, bake, save and score."""

from __future__ import annotations

from reason_datasets.word_problems.world import World, nouns, phrases

# What anyone can do with anything that is theirs.
_PLUS = phrases(
    "{whose} {giver} gives {him} {n} {item}",
    "{whose} {giver} gives {him} {n} more {item}",
    "{s} gets {n} {item} from {friend}",
    "{s} buys {n} more {item}",
    "{s} trades a kite for {n} {item}",
    "{b} has {n} more {item} than {a}",
)
_MINUS = phrases(
    "{s} gives {n} {item} to {friend}",
    "{s} gives {n} of {his} {items} to {friend}",
    "{s} sells {n} {item} to {friend}",
    "{s} gives away {n} {item}",
    "{s} sells {n} of {his} {items}",
    "{s} trades {n} {item} for a comic",
    "{b} has {n} fewer {item} than {a}",
)
_TIMES = phrases(
    "{b} has {n} times as many {items} as {a}",
    "by the end of the month, {s} has {n} times as many {items}",
    "a lucky trade leaves {whom} with {n} times as many {items}",
)
_TWICE = phrases(
    "{b} has twice as many {items} as {a}",
    "by the end of the week, {s} has twice as many {items}",
)
_OVER = phrases(
    "{s} splits {his} {items} into {n} equal shares, and {b}, who had none, gets one share",
    "{n} children share {whose} {items} equally, and {b} is one of the children",
    "{s} shares all the {items} equally among {n} children, and one of the children is {b}",
    "{s} makes {n} equal piles of {items} and keeps only one pile",
)
_HALF = phrases(
    "{b} has half as many {items} as {a}",
    "{s} gives half of {his} {items} to {friend}",
    "{s} sells half of {his} {items}",
)
_QUESTIONS = phrases(
    "how many {items} does {a} have now?",
    "how many {items} does {a} have in the end?",
    "find the number of {items} that {a} has now.",
)
_TOTALS = phrases(
    "how many {items} does {a} have?",
    "find the number of {items} that {a} has.",
)

COLLECTIONS = World(
    things=nouns(
        "marble sticker stamp shell coin button bead card badge pebble postcard crayon pencil ribbon "
        "eraser magnet feather bracelet puzzle toy_car"
    ),
    props=nouns("bag box/boxes jar pack tin"),
    openers=phrases(
        "{a} has {start} {items}",
        "{a} keeps {start} {items} in a drawer",
        "{a} has {start} {items} in a {prop}",
        "{a} owns {start} {items}",
        "there are {start} {items} in {a}'s room",
    ),
    pairs=phrases(
        "{a} has {start} red {items} and {n} blue {item}",
        "{a} has {start} old {items} and {n} new {item}",
        "{a} has {start} {items} in one {prop} and {n} {item} in another {prop}",
        "{a} gets {start} {items} on Monday and {n} {item} on Friday",
    ),
    groups=phrases(
        "{a} buys {start} {props} with {n} {items} in each {prop}",
        "{a} has {start} {props}, and each {prop} holds {n} {items}",
        "{a} fills {start} {props} with {n} {items} each",
    ),
    plus=_PLUS
    + phrases(
        "{s} finds {n} {item} under the bed",
        "{s} finds {n} more {item}",
        "{s} wins {n} {item} in a game",
        "{whose} {giver} sends {him} {n} {item}",
    ),
    minus=_MINUS
    + phrases(
        "{s} loses {n} {item}",
        "{s} drops {n} {item} on the way home",
        "{s} leaves {n} {item} at school",
    ),
    times=_TIMES + phrases("over the summer, {whose} collection becomes {n} times as large"),
    twice=_TWICE + phrases("over the summer, {whose} collection doubles"),
    over=_OVER + phrases("{s} puts the {items} equally into {n} {props} and keeps only one {prop}"),
    half=_HALF + phrases("{s} loses half of {his} {items}"),
    questions=_QUESTIONS,
    totals=_TOTALS,
)

FRUIT = World(
    things=nouns(
        "apple pear plum peach/peaches lemon orange cherry/cherries fig tomato/tomatoes onion carrot "
        "strawberry/strawberries potato/potatoes pumpkin walnut"
    ),
    props=nouns("basket bag bucket box/boxes crate"),
    openers=phrases(
        "{a} picks {start} {items}",
        "{a} has {start} {items} in a {prop}",
        "{a} comes home with {start} {items}",
        "{a} buys {start} {items} at the market",
    ),
    pairs=phrases(
        "{a} picks {start} {items} before lunch and {n} {item} after lunch",
        "{a} has {start} ripe {items} and {n} green {item}",
        "{a} has {start} {items} at home and {n} {item} in the garden",
    ),
    groups=phrases(
        "{a} fills {start} {props} with {n} {items} each",
        "{a} carries {start} {props} with {n} {items} in each {prop}",
        "{a} buys {start} {props}, and each {prop} holds {n} {items}",
    ),
    plus=_PLUS
    + phrases(
        "{s} picks {n} more {item}",
        "{s} buys {n} {item} at the market",
        "{whose} {giver} brings {n} more {item}",
    ),
    minus=_MINUS
    + phrases(
        "{s} throws away {n} bad {item}",
        "{s} uses {n} {item} for a soup",
        "{s} cooks {n} of the {items}",
    ),
    times=_TIMES + phrases("by the evening, {s} has {n} times as many {items}"),
    twice=_TWICE + phrases("by the evening, {s} has twice as many {items}"),
    over=_OVER + phrases("{s} packs the {items} equally into {n} {props} and keeps only one {prop}"),
    half=_HALF + phrases("{s} cooks half of the {items}"),
    questions=_QUESTIONS,
    totals=_TOTALS,
)

BAKERY = World(
    things=nouns("cookie muffin bun cupcake pretzel roll waffle pancake bagel biscuit donut"),
    props=nouns("tray plate box/boxes tin"),
    openers=phrases(
        "{a} bakes {start} {items}",
        "{a} makes {start} {items} for a party",
        "{a} has {start} {items} to sell",
    ),
    pairs=phrases(
        "{a} bakes {start} {items} in the morning and {n} {item} at noon",
        "{a} bakes {start} plain {items} and {n} sweet {item}",
    ),
    groups=phrases(
        "{a} fills {start} {props} with {n} {items} each",
        "{a} has {start} {props} of {n} {items} each",
    ),
    plus=_PLUS
    + phrases(
        "{s} bakes {n} more {item}",
        "{whose} {giver} brings {n} {item}",
        "{s} makes {n} {item} after lunch",
    ),
    minus=_MINUS
    + phrases(
        "{s} burns {n} {item}",
        "{s} drops {n} {item} on the floor",
        "the guests eat {n} of {whose} {items}",
        "{s} sells {n} {item}",
    ),
    times=_TIMES + phrases("{s} bakes until {he} has {n} times as many {items}"),
    twice=_TWICE + phrases("{s} bakes until {he} has twice as many {items}"),
    over=_OVER + phrases("{s} packs the {items} equally into {n} {props} and keeps only one {prop}"),
    half=_HALF + phrases("the guests eat half of {whose} {items}"),
    questions=_QUESTIONS,
    totals=_TOTALS,
)

MONEY = World(
    things=nouns("dollar"),
    props=nouns("book ticket lamp ball scarf/scarves"),
    openers=phrases(
        "{a} has {start} {items}",
        "{a} has saved {start} {items}",
        "{a} has {start} {items} in a piggy bank",
    ),
    pairs=phrases(
        "{a} earns {start} {items} on Monday and {n} {item} on Tuesday",
        "{a} has {start} {items} in the bank and {n} {item} at home",
    ),
    groups=phrases(
        "{a} works for {start} hours and earns {n} {items} an hour",
        "{a} sells {start} {props} for {n} {items} each",
        "for {start} weeks, {a} saves {n} {items} a week",
    ),
    plus=phrases(
        "{s} earns {n} more {item}",
        "{s} earns {n} {item} for washing a car",
        "{s} finds {n} {item} in an old coat",
        "{s} wins {n} {item} in a contest",
        "{s} sells a {prop} for {n} {item}",
        "{whose} {giver} gives {him} {n} {item}",
        "{b} has {n} more {item} than {a}",
    ),
    minus=phrases(
        "{s} spends {n} {item} on a {prop}",
        "{s} spends {n} {item}",
        "{s} pays {n} {item} for lunch",
        "{s} loses {n} {item}",
        "{s} lends {n} {item} to {friend}",
        "{s} gives {n} {item} to {friend}",
        "{b} has {n} fewer {item} than {a}",
    ),
    times=phrases(
        "{b} has {n} times as much money as {a}",
        "{s} saves until {he} has {n} times as much money",
        "by the end of the year, {s} has {n} times as much money",
    ),
    twice=phrases(
        "{b} has twice as much money as {a}",
        "{s} saves until {he} has twice as much money",
    ),
    over=phrases(
        "{s} splits the money into {n} equal shares, and {b}, who had none, gets one share",
        "{n} children share {whose} money equally, and {b} is one of the children",
        "{s} makes {n} equal piles of {items} and keeps only one pile",
    ),
    half=phrases(
        "{s} spends half of the money",
        "{s} gives half of the money to {friend}",
        "{b} has half as much money as {a}",
    ),
    questions=phrases(
        "how many {items} does {a} have now?",
        "how many {items} does {a} have in the end?",
        "how much money does {a} have now?",
    ),
    totals=phrases("how many {items} does {a} have?", "how much money does {a} have?"),
)

GAMES = World(
    things=nouns("point"),
    props=nouns("target ring hoop bell gate"),
    openers=phrases(
        "{a} has {start} {items} in a game",
        "{a} scores {start} {items} in the first round",
    ),
    pairs=phrases(
        "{a} scores {start} {items} in the first round and {n} {item} in the second round",
        "{a} scores {start} {items} by running and {n} {item} by jumping",
    ),
    groups=phrases(
        "{a} hits {start} {props} for {n} {items} each",
        "for {start} rounds, {a} scores {n} {items} a round",
    ),
    plus=phrases(
        "{s} scores {n} more {item}",
        "{s} wins {n} {item} in the next round",
        "a good throw brings {whom} {n} {item}",
        "{s} gets {n} {item} for a hard question",
        "{b} has {n} more {item} than {a}",
    ),
    minus=phrases(
        "{s} loses {n} {item}",
        "{s} loses {n} {item} for a mistake",
        "a late answer costs {whom} {n} {item}",
        "{s} pays {n} {item} for a hint",
        "{b} has {n} fewer {item} than {a}",
    ),
    times=phrases(
        "a magic card makes {whose} score {n} times as large",
        "{s} plays on until {he} has {n} times as many {items}",
        "{b} has {n} times as many {items} as {a}",
    ),
    twice=phrases(
        "a magic card doubles {whose} score",
        "{b} has twice as many {items} as {a}",
    ),
    over=phrases(
        "a trap divides {whose} score by {n}",
        "{n} players share {whose} {items} equally, and {b} is one of the players",
    ),
    half=phrases(
        "a trap cuts {whose} score in half",
        "{s} loses half of {his} {items}",
        "{b} has half as many {items} as {a}",
    ),
    questions=phrases(
        "how many {items} does {a} have now?",
        "how many {items} does {a} have in the end?",
        "what is {a}'s score now?",
    ),
    totals=phrases("how many {items} does {a} have?", "what is {a}'s score?"),
)

WORLDS = (COLLECTIONS, FRUIT, BAKERY, MONEY, GAMES)
