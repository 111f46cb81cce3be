"""Words for the 80 object classes of COCO, our own table: what people write when they mean the class."""

from __future__ import annotations

_TABLE = """
person: man, woman, boy, girl, child, kid, baby, toddler, infant, adult, people, guy, lady, gentleman, \
teenager, human, pedestrian, passenger, player, batter, pitcher, catcher, umpire, skier, snowboarder, \
surfer, skateboarder, skater, cyclist, biker, rider, driver, worker, chef, waiter, waitress, farmer, \
officer, policeman, soldier, student, teacher, doctor, nurse, athlete, tourist, customer, shopper, bride, \
groom, father, mother, son, daughter, brother, sister, friend, spectator, performer, musician, \
businessman, fisherman, cowboy, male, female
bicycle: bike, tricycle, unicycle, mountain bike, push bike
car: automobile, sedan, taxi, taxicab, cab, hatchback, minivan, suv, limousine, limo, convertible, coupe, \
station wagon, van, jeep, police car, sports car
motorcycle: motorbike, motor bike, motor cycle, moped, scooter, dirt bike, vespa
airplane: aeroplane, plane, air plane, jet, airliner, jetliner, aircraft, biplane, seaplane, passenger \
plane
bus: minibus, trolleybus, trolley bus, school bus, double decker, double-decker, tour bus, city bus
train: locomotive, tram, streetcar, railcar, subway train, steam engine
truck: lorry, pickup, pickup truck, fire engine, firetruck, fire truck, dump truck, tow truck, semi truck, \
big rig
boat: ship, canoe, kayak, sailboat, rowboat, speedboat, motorboat, ferry, ferryboat, lifeboat, houseboat, \
sailing boat, yacht, raft, gondola, barge, dinghy, catamaran, tugboat, vessel
traffic light: stoplight, stop light, traffic signal
fire hydrant: hydrant, fireplug
stop sign: stopsign
parking meter: parkometer
bench: park bench, pew
bird: pigeon, seagull, gull, duck, goose, swan, parrot, parakeet, sparrow, owl, eagle, hawk, falcon, crow, \
raven, chicken, hen, rooster, turkey, peacock, ostrich, flamingo, pelican, heron, penguin, robin, dove, \
finch, hummingbird, woodpecker, stork, cockatoo, macaw, duckling, blue jay
cat: kitten, kitty, tabby, feline, tomcat, siamese
dog: puppy, pup, hound, canine, poodle, terrier, bulldog, retriever, labrador, spaniel, dachshund, \
dalmatian, chihuahua, beagle, shepherd dog, greyhound, husky, pug, corgi, collie, rottweiler, pitbull, \
sheepdog, doggy, doggie
horse: pony, foal, mare, stallion, colt, filly, mustang, racehorse, donkey
sheep: lamb, ewe, ram
cow: cattle, bull, calf, ox, heifer, bison, buffalo, bovine, longhorn
elephant: pachyderm
bear: polar bear, grizzly, grizzly bear, brown bear, black bear, panda, bear cub
zebra:
giraffe:
backpack: rucksack, knapsack, back pack, bookbag
umbrella: parasol
handbag: purse, hand bag, pocketbook, clutch bag, shoulder bag, tote bag
tie: necktie, neck tie, bow tie, bowtie
suitcase: suit case, luggage, baggage
frisbee: flying disc, flying disk
skis: ski
snowboard: snow board
sports ball: ball, baseball, tennis ball, soccer ball, football, basketball, volleyball, rugby ball, golf \
ball, beach ball
kite:
baseball bat: bat
baseball glove: baseball mitt, catcher's mitt, mitt
skateboard: skate board
surfboard: surf board, boogie board, bodyboard, paddle board, paddleboard, wakeboard
tennis racket: racket, racquet, tennis racquet
bottle: wine bottle, water bottle, beer bottle, flask
wine glass: wineglass, goblet, champagne flute, champagne glass
cup: mug, teacup, coffee cup, tumbler
fork:
knife: knives, pocketknife, butter knife, penknife
spoon: teaspoon, tablespoon, ladle
bowl: mixing bowl, salad bowl
banana: plantain
apple:
sandwich: burger, hamburger, cheeseburger, hoagie, panini, sub sandwich, blt
orange: tangerine, clementine, mandarin
broccoli:
carrot:
hot dog: hotdog, frankfurter, corn dog, chili dog
pizza: pepperoni pizza
donut: doughnut, bagel, cruller
cake: cupcake, cheesecake, birthday cake, wedding cake, shortcake, layer cake, pancake
chair: armchair, stool, seat, recliner, rocking chair, office chair, folding chair, lawn chair, high chair
couch: sofa, settee, loveseat, love seat, futon, chesterfield
potted plant: houseplant, house plant, pot plant, bonsai
bed: bunk bed, cot, crib, mattress
dining table: table, desk, kitchen table, coffee table, picnic table
toilet: urinal, lavatory, commode, toilet bowl
tv: television, television set, tv set, monitor, flat screen, flatscreen
laptop: laptop computer, notebook computer, netbook, macbook
mouse: computer mouse
remote: remote control, remote controller, tv remote, wii remote, wiimote, game controller
keyboard: computer keyboard
cell phone: cellphone, mobile phone, mobile, phone, smartphone, smart phone, telephone, iphone, flip phone
microwave: microwave oven
oven: stove, stovetop, stove top, cooker
toaster: toaster oven
sink: washbasin, wash basin, basin
refrigerator: fridge, freezer, icebox
book: novel, textbook, paperback, cookbook
clock: clock tower, alarm clock, wall clock, grandfather clock, clock face
vase: flower vase, urn
scissors: scissor, pair of scissors, shears
teddy bear: teddy, stuffed bear, teddybear, toy bear
hair drier: hair dryer, hairdryer, blow dryer, hairdrier, blow drier
toothbrush: tooth brush, electric toothbrush
"""


def _parse(table: str) -> dict[str, tuple[str, ...]]:
    parsed: dict[str, tuple[str, ...]] = {}
    for line in table.strip().splitlines():
        name, _, words = line.partition(":")
        parsed[name] = tuple(word.strip() for word in words.split(",") if word.strip())
    return parsed


COCO_OBJECTS = _parse(_TABLE)
"""Class name → other words for it, in the order of COCO's category ids."""
