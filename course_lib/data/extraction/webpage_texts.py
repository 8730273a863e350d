"""The words of the pages that `webpages` makes: all of them written for this course."""

TOPICS = [
    "Water mills",
    "Stone bridges",
    "Sourdough",
    "Old orchards",
    "Paper making",
    "Hand looms",
    "Tidal clocks",
    "Beekeeping",
    "Dry walls",
    "River ferries",
]
SENTENCES = [
    "People who know {topic} well will tell you that patience counts for more than strength.",
    "The oldest example in the valley is {n} years old and still in use on most weekdays.",
    "Nobody wrote the rules down, and yet every family keeps them in the same order.",
    "A good craftsman needs about {n} minutes for what a beginner spends a whole morning on.",
    "What looks simple from the road turns out to depend on weather, soil and a steady hand.",
    "In dry summers the work stops for {n} days and the tools are taken apart and oiled.",
    "Visitors often ask why it isn't done by machine, and the answer is usually a demonstration.",
    "The first attempt failed because the wood was green and the joints opened in autumn.",
    "Records from the town hall mention {topic} in connection with a dispute about a fence.",
    "Each spring the children of the school come to see how it is repaired and to help a little.",
    "It costs more than it earns, but the council decided to pay for {n} hours a month.",
    "There are two schools of thought about {topic}, and they don't speak to each other.",
    "If you listen closely you can hear whether the balance is right before you can see it.",
    "A storm in the year of the great flood carried off the upper part and left the lower one.",
    "Today there is a small museum, open on Sundays, and a path that leads around it.",
    "The material comes from a quarry {n} kilometres away and was once brought by sledge.",
]
MENU = [
    "Home",
    "News",
    "Weather",
    "Shop",
    "Sign in",
    "Sports",
    "Jobs",
    "Travel",
    "Contact",
    "Newsletter",
    "About us",
    "Help",
]
LINKS = [
    "Ten places to see before winter",
    "What your garden needs in March",
    "The best boots for wet weather, tested",
    "Why the ferry is late again",
    "Our readers' favourite walks",
    "How to choose a good rope",
    "A week in the hills for little money",
]
BANNER = (
    "We and our partners use cookies to store and read information on your device. You "
    "can accept all of them or choose which ones you allow. You can change your mind at any "
    "time."
)
COMMENTS = [
    "I visited last year with my brother and we both thought that the guide talked far too much.",
    "Thanks for this. Could you write about the harbour next time, since nobody ever does that?",
    "This is wrong, my grandfather built it himself and he never used any glue at all.",
    "First! Also your page takes a whole minute to load on my old telephone, please fix that.",
    "Does anyone know whether the path is open for people who come with a pram or a dog?",
    "I disagree with nearly everything in here but it was a pleasure to read, so well done.",
]
INGREDIENTS = [
    "500 g flour",
    "a pinch of salt",
    "two eggs",
    "1 l water",
    "fresh yeast",
    "three spoons of oil",
    "a lemon",
    "100 g nuts",
]
STEPS = [
    "Mix everything.",
    "Let it rest for an hour.",
    "Fold it twice.",
    "Heat the oven.",
    "Bake until brown.",
    "Let it cool.",
    "Knead it well.",
]
FOREIGN = {
    "french": [
        "Le vieux moulin près de la rivière a été réparé l'été dernier.",
        "Les élèves y sont allés à pied malgré la forêt très épaisse.",
        "« Ça marche », a crié le meunier, étonné lui-même.",
        "À côté, une crêperie où l'on mange à toute heure.",
        "Noël approche et le gâteau n'est pas encore prêt.",
        "Une fenêtre brisée laisse entrer l'air glacé de février.",
    ],
    "czech": [
        "Starý mlýn u řeky byl loni v létě opraven.",
        "Žáci tam šli pěšky přes hustý les a přišli včas.",
        "Příliš mnoho lidí říká, že to není důležité.",
        "Vedle stojí hospoda, kde se vaří od rána do večera.",
        "Babička peče koláče a děti už čekají u stolu.",
        "Zítra přijede náš přítel z města a přiveze židle.",
    ],
    "russian": [
        "Старую мельницу у реки починили прошлым летом.",
        "Дети пришли туда пешком через густой лес.",
        "Никто не знает, когда построили этот каменный мост.",
        "Рядом стоит дом, где живёт мой старый учитель.",
        "Каждую весну вода поднимается почти до дороги.",
        "Завтра мы поедем в город и купим новые книги.",
    ],
    "japanese": [
        "川のそばの古い水車は去年の夏に直されました。",
        "子どもたちは森を歩いてそこへ行きました。",
        "この橋がいつ建てられたのか、だれも知りません。",
        "となりの家には私の先生が住んでいます。",
        "春になると水が道の近くまで上がります。",
        "明日は町へ行って新しい本を買います。",
    ],
}
