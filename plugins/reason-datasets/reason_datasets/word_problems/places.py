"""Worlds of places: who rides, visits, lives, is sold or grows there."""

from __future__ import annotations

from reason_datasets.word_problems.world import World, nouns, phrases

RIDES = World(
    things=nouns("passenger child/children tourist student player worker"),
    props=nouns("bus/buses train ferry/ferries tram boat"),
    openers=phrases(
        "a {prop} leaves with {start} {items}",
        "there are {start} {items} on a {prop}",
        "{start} {items} ride on a {prop}",
    ),
    pairs=phrases(
        "{start} {items} sit and {n} {item} [stands|stand] on a {prop}",
        "a {prop} has {start} {items} in front and {n} {item} in the back",
    ),
    groups=phrases(
        "a {prop} has {start} rows with {n} {items} in each row",
        "{start} groups of {n} {items} each get on a {prop}",
    ),
    plus=phrases(
        "at the next stop, {n} {item} [gets|get] on",
        "{n} more {item} [gets|get] on",
        "the {prop} picks up {n} more {item}",
    ),
    minus=phrases(
        "at the next stop, {n} {item} [gets|get] off",
        "{n} {item} [gets|get] off",
        "{n} of the {items} [leaves|leave] the {prop}",
    ),
    times=phrases(
        "after a big station, there are {n} times as many {items} on the {prop}",
        "at the next stop, the number of {items} becomes {n} times as large",
    ),
    twice=phrases("at the next stop, the number of {items} doubles"),
    over=phrases(
        "the {items} form {n} equal groups, and only one group stays on the {prop}",
        "after a rest, only one of {n} equal groups of {items} rides on",
    ),
    half=phrases("half of the {items} get off", "at the next stop, half of the {items} get off"),
    questions=phrases(
        "how many {items} are on the {prop} now?",
        "how many {items} are on the {prop} in the end?",
    ),
    totals=phrases("how many {items} are on the {prop}?", "how many {items} does the {prop} carry?"),
)

HALLS = World(
    things=nouns("visitor child/children guest dancer student woman/women man/men"),
    props=nouns("park museum pool library/libraries hall theater gym"),
    openers=phrases("there are {start} {items} in the {prop}", "{start} {items} are in the {prop}"),
    pairs=phrases(
        "{start} {items} come to the {prop} at noon and {n} {item} an hour later",
        "there are {start} {items} near the door of the {prop} and {n} {item} near the window",
    ),
    groups=phrases(
        "{start} groups of {n} {items} each come to the {prop}",
        "there are {start} rows of {n} {items} in the {prop}",
    ),
    plus=phrases(
        "{n} more {item} [comes|come] in",
        "{n} {item} [arrives|arrive] by bus",
        "{n} {item} [joins|join] the crowd",
    ),
    minus=phrases(
        "{n} {item} [goes|go] home",
        "{n} of the {items} [leaves|leave]",
        "{n} tired {item} [walks|walk] out",
    ),
    times=phrases(
        "by the evening, there are {n} times as many {items}",
        "after the rain, there are {n} times as many {items} in the {prop}",
    ),
    twice=phrases(
        "by the evening, there are twice as many {items}",
        "after lunch, the number of {items} doubles",
    ),
    over=phrases(
        "the {items} form {n} equal teams, and only one team stays",
        "the {items} split into {n} equal groups, and all groups but one leave",
    ),
    half=phrases("half of the {items} go home", "half of the {items} leave"),
    questions=phrases(
        "how many {items} are in the {prop} now?",
        "how many {items} are there in the end?",
    ),
    totals=phrases("how many {items} are in the {prop}?", "how many {items} are there in all?"),
)

FARMS = World(
    things=nouns("hen goat duck sheep/sheep cow rabbit horse goose/geese pig turkey pony/ponies"),
    props=nouns("farmer family/families"),
    openers=phrases(
        "a {prop} has {start} {items}",
        "a {prop} keeps {start} {items}",
        "{start} {items} live on a farm",
    ),
    pairs=phrases(
        "a {prop} has {start} white {items} and {n} brown {item}",
        "on a farm, {start} {items} eat and {n} {item} [sleeps|sleep]",
    ),
    groups=phrases(
        "a farm has {start} barns with {n} {items} in each barn",
        "a {prop} has {start} fields with {n} {items} in each field",
    ),
    plus=phrases(
        "{n} more {item} [is|are] born",
        "a neighbor brings {n} {item} to the farm",
        "the farm buys {n} {item}",
    ),
    minus=phrases(
        "{n} {item} [runs|run] away",
        "the farm sells {n} {item}",
        "a neighbor buys {n} of the {items}",
    ),
    times=phrases(
        "by the next spring, there are {n} times as many {items}",
        "over the years, the number of {items} becomes {n} times as large",
    ),
    twice=phrases("over the years, the number of {items} doubles"),
    over=phrases(
        "{n} farms share the {items} equally, and this farm is one of them",
        "the {items} go to {n} barns in equal numbers, and all barns but one are sold",
    ),
    half=phrases("the farm sells half of the {items}", "half of the {items} run away"),
    questions=phrases(
        "how many {items} are on the farm now?",
        "how many {items} does the farm have in the end?",
    ),
    totals=phrases("how many {items} are on the farm?", "how many {items} are there in all?"),
)

SHOPS = World(
    things=nouns(
        "lamp chair coat hat umbrella kite bicycle table clock mirror pillow drum guitar sofa vase "
        "watch/watches radio bench/benches"
    ),
    props=nouns("shop store"),
    openers=phrases("a {prop} has {start} {items}", "there are {start} {items} in a {prop}"),
    pairs=phrases(
        "a {prop} has {start} large {items} and {n} small {item}",
        "a {prop} has {start} {items} in front and {n} {item} in the back",
    ),
    groups=phrases(
        "a {prop} has {start} shelves with {n} {items} on each shelf",
        "{start} trucks bring {n} {items} each to a {prop}",
    ),
    plus=phrases(
        "a truck brings {n} more {item}",
        "the {prop} orders {n} {item}",
        "the {prop} gets {n} {item} from the factory",
    ),
    minus=phrases(
        "the {prop} sells {n} {item}",
        "{n} of the {items} [is|are] broken and thrown away",
        "a hotel buys {n} {item}",
    ),
    times=phrases(
        "by the holidays, the {prop} has {n} times as many {items}",
        "the {prop} orders until it has {n} times as many {items}",
    ),
    twice=phrases("by the holidays, the {prop} has twice as many {items}"),
    over=phrases(
        "{n} {props} share the {items} equally, and this {prop} is one of them",
        "the {items} go to {n} rooms in equal numbers, and all rooms but one are sold out",
    ),
    half=phrases("the {prop} sells half of the {items}", "a hotel buys half of the {items}"),
    questions=phrases(
        "how many {items} does the {prop} have now?",
        "how many {items} does the {prop} have in the end?",
    ),
    totals=phrases("how many {items} does the {prop} have?", "how many {items} are there in all?"),
)

GARDENS = World(
    things=nouns("rose tulip daisy/daisies bush/bushes tree lily/lilies poppy/poppies sunflower"),
    props=nouns("garden park yard"),
    openers=phrases("a {prop} has {start} {items}", "{start} {items} grow in a {prop}"),
    pairs=phrases(
        "{start} tall {items} and {n} short {item} grow in a {prop}",
        "a {prop} has {start} {items} in the sun and {n} {item} in the shade",
    ),
    groups=phrases(
        "a {prop} has {start} rows with {n} {items} in each row",
        "{start} children plant {n} {items} each in a {prop}",
    ),
    plus=phrases(
        "the gardener plants {n} more {item}",
        "{n} new {item} [grows|grow]",
        "a neighbor plants {n} {item}",
    ),
    minus=phrases(
        "a storm breaks {n} {item}",
        "the gardener digs up {n} {item}",
        "{n} of the {items} [dies|die] in the winter",
    ),
    times=phrases(
        "by the spring, there are {n} times as many {items}",
        "over the years, the number of {items} becomes {n} times as large",
    ),
    twice=phrases("over the years, the number of {items} doubles"),
    over=phrases(
        "{n} {props} share the {items} equally, and this {prop} is one of them",
        "the {items} stand in {n} equal rows, and a flood leaves only one row",
    ),
    half=phrases("a storm breaks half of the {items}", "the gardener digs up half of the {items}"),
    questions=phrases(
        "how many {items} are in the {prop} now?",
        "how many {items} are there in the {prop} in the end?",
    ),
    totals=phrases("how many {items} are in the {prop}?", "how many {items} are there in all?"),
)

WORLDS = (RIDES, HALLS, FARMS, SHOPS, GARDENS)
