"""What synthetic captions are made of: the topics of accounts and of audiences, and their words."""

from typing import Final

# Two rows are a niche: the commercial topic with its words, then the personal one.
CONTENT_TOPICS: Final = """
new-collection: collection season lookbook fabric palette capsule tailoring drop wardrobe boutique
outfit-of-the-day: outfit mirror jeans thrifted layers jacket sneakers vibes fitcheck closet
product-launch: launch preorder device edition specs warranty innovation prototype limited release
unboxing: unboxing box wrapping testing impressions setup battery review cable verdict
store-opening: opening doors flagship counter address ribbon visitors location storefront parking
city-walk: walk street skyline bridge alley tram mural rooftop square neighbourhood
menu-of-the-season: menu chef tasting ingredients seasonal reservation plating dining kitchen served
home-cooking: recipe oven dough garlic butter pan leftovers homemade pasta soup
flight-offer: fares destination route departure boarding lounge upgrade miles terminal nonstop
travel-diary: diary sunset backpack hostel island passport hike train postcard lagoon
event-sponsoring: sponsor stage partner lineup tickets arena festival presented wristbands backstage
concert-night: concert encore guitar crowd singing playlist drums vinyl setlist goosebumps
product-care: serum formula hydration vitamin moisturizer cleanser retinol texture tested bottle
beauty-routine: routine lipstick eyeliner glow blush skincare lashes selfcare brush sponge
training-programme: training coach membership reps trainer challenge progress lessons schedule goals
morning-workout: workout sweat sunrise running squats stretching gym protein sore treadmill
donation-campaign: donation campaign raise funds community impact fundraiser pledge charity matched
volunteering: volunteer helping shelter cleanup neighbors meals kindness hours together planting
"""
CONTENT_TOPICS_OF_NO_NICHE: Final = """
greetings: hello friends happy welcome everyone wishing evening smile hugs cheers
giveaway: giveaway winner tag enter prize follow rules comment random announced
weekend: weekend saturday sunday brunch relax plans slow lazy coffee nap
weather: rain sunshine cloudy snow storm breeze autumn heatwave umbrella fog
"""

AUDIENCE_TOPICS: Final = """
price-question: price cost euros discount expensive cheaper currency budget afford instalments
style-compliment: gorgeous stunning obsessed dress slay cute lovely hair flawless queen
delivery-complaint: delivery parcel late tracking refund waiting courier damaged complaint support
travel-envy: jealous paradise wish trip someday bucketlist view dreamy flight beach
size-advice: size fits medium waist measurements length tight stretchy shrink returns
training-talk: squat bench cardio marathon legs form deadlift restday soreness finisher
recipe-request: recipe grams oven substitute flour teaspoon vegan bake minutes freeze
food-craving: hungry yum craving drool delicious snack midnight pizza bite tasty
spare-part: part bolt mechanic replacement gasket serial compatible installed dealer manual
car-talk: car ride horsepower engine drift garage wheels exhaust turbo highway
ticket-request: tickets sold presale seats venue date resale entrance balcony queueing
music-talk: song chorus lyrics album repeat band voice bass remix playlist
ingredient-question: ingredient parabens oily sulfate percent patch label scented shelf fragrance
make-up-talk: shade foundation mascara concealer palette tutorial contour blend glitter lashes
charity-support: donated sharing cause petition raised fundraiser signed helpful supportive charity
family-talk: kids mom baby dad twins grandma school toddler birthday bedtime
"""
AUDIENCE_TOPICS_OF_NO_NICHE: Final = """
laughter: haha lol wow omg yay woo hehe aww oops yess
thanks: thanks grateful appreciate thankyou kind sweetest touched generous honoured smiling
greetings-back: hello morning night hugs greetings goodnight cheers sunday evening welcome
tag-a-friend: look remember friend tagging bestie together dare sister roommate idea
spam: follow link promo earn crypto winner click free followers visit
"""

COMMON_WORDS: Final = "love today new beautiful day great amazing time best life"
"""Said by everybody about everything."""
EMOJI: Final = "✨ 💫 🙌 🔥 💙 👏 🤍 💯"
"""Of no concept of the lexicon, so that they say nothing of an account."""
