"""What in a text hints at its task: words, phrases and shapes, in many languages.

A cue is a name; what it says about the task and the difficulty is in `weights.json`. Words are
looked up in one table by set intersection. Scripts that write without blanks are searched for
substrings. Shapes are regular expressions without nested repetition, each behind a cheap test.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Set

DENSE_CHARS = 400
"""What is read of each end of a text without blanks."""
STATED_CHARS = 800
"""Beyond these, facts followed by a question are a passage."""

_WORDS: Mapping[str, str] = {
    "math_strong": "irrational derivative derivatives integral integrals polynomial polynomials eigenvalue eigenvalues "
    "eigenvector determinant hypotenuse factorize factorise logarithm sine cosine tangent trigonometric sin cos tan "
    "ln log lim modulo quadratic cubic congruent isosceles equilateral binomial permutations combinatorics coprime "
    "gcd lcm antiderivative differentiable bijective surjective injective convergent diverges "
    "dérivée intégrale polynôme derivada integral polinomio ableitung polynom производная интеграл многочлен matriz "
    "مشتقة تكامل đạo 미분 적분 türev",
    "code_strong": "quicksort mergesort fizzbuzz linked leetcode segfault traceback "
    "stacktrace nullpointerexception typeerror valueerror undefined localhost kubectl dockerfile makefile gcc clang "
    "cmake venv conda pytest unittest junit mutex semaphore goroutine struct enum typedef async await middleware orm "
    "crud jwt oauth websocket grpc regexes backtracking memoization hashmap hashtable",
    "logic_strong": "riddle riddles liar liars knight knave knaves syllogism sudoku zebra fallacy "
    "contrapositive modus premise premises entailment deduce deduction murderer culprit suspects enigma rätsel "
    "acertijo adivinanza devinette indovinello загадка загадку лжец",
    "hard_word": "concurrent concurrency distributed threadsafe scalable optimal optimize "
    "optimise rigorous rigorously olympiad competition imo putnam aime consensus raft paxos compiler kernel scheduler "
    "transactional conjecture lemma asymptotic hamiltonian topological topology manifold "
    "stochastic bayesian quantum cryptographic adversarial amortized amortised sharding replication garbage "
    "collector allocator simd vectorized deadlock proofs infinitely surjective injective bijective",
    "easy_word": "simple basic easy short quick beginner hello kid kids child simply trivial einfach fácil simples "
    "facile semplice простой простую 简单",
    "code_language": "python javascript typescript java php html css sql mysql postgresql postgres sqlite mongodb "
    "golang kotlin perl scala haskell matlab bash powershell django flask react angular vue nodejs node numpy pandas "
    "pytorch tensorflow keras jquery regex xml json yaml docker kubernetes git github api linux unix npm webpack "
    "spring dart flutter excel vba cpp csharp fortran cobol assembly rust swift ruby lua julia solidity graphql redis "
    "pylint pip maven gradle xcode css sass bigquery snowflake redshift duckdb clickhouse",
    "code_noun": "code codes function functions method methods program programs script scripts class classes "
    "algorithm algorithms array arrays string strings variable variables loop loops compiler debug bug bugs exception "
    "implementation database query queries column columns recursion recursive recursively pointer pointers library "
    "module import framework server backend frontend endpoint parser syntax runtime stack queue dictionary tuple "
    "dataframe integer int boolean regexp parameter parameters argv args stdin stdout repository commit refactor "
    "programme código codigo función funciones programa fonction fonctions codice funzione funktion funktionen "
    "programm função skript quellcode requête consulta "
    "код функцию функция программу программа скрипт массив コード 코드를 코드 함수를 함수 프로그램 프로그램을 "
    "كود برنامج دالة mã hàm kod fonksiyon κώδικα συνάρτηση kode fungsi कोड प्रोग्राम "
    "algorithmus algorithme algoritmo algoritma algorytm алгоритм алгоритма tableau matriz arreglo cadena "
    "chaîne schleife zeichenkette datenbank stapel warteschlange datenstruktur datenstrukturen liste "
    "bucle variabile variabili interface directory shell terminal command commands emulator compiler "
    "install installed folder dataset columns row rows constructor destructor thread threads async "
    "callback json button div webpage website component",
    "code_act": "implement compile refactor debug deploy parse serialize instantiate override iterate initialize "
    "optimize deserialize hash sort traverse scrape implementa implémentez implementiere implementar реализуйте "
    "implementierung implementieren implementare implementa réaliser réalisez mettez реализовать написать",
    "make": "write create make build develop design generate construct escribe escriba écrivez écrire schreiben "
    "schreibe erstellen escreva scrivi напишите напиши crea créez crear criar",
    "math_noun": "equation equations polynomial polynomials triangle triangles integers divisible remainder product "
    "probability angle angles circle radius perimeter area volume derivative integral matrix matrices vector "
    "vectors logarithm fraction fractions decimal square cube root roots mean median ratio percent percentage "
    "factorial digits prime primes modulo diameter hypotenuse parabola slope intercept tangent sine cosine sum "
    "difference quotient arithmetic geometric sequence coefficient interest discount average rectangle polygon "
    "theorem inequality divisor multiple multiples "
    "ecuación triángulo área suma promedio porcentaje équation périmètre rayon aire somme moyenne pourcentage "
    "gleichung dreieck fläche summe durchschnitt prozent umfang equação triângulo soma equazione triangolo somma "
    "уравнение треугольник площадь сумма процентов среднее среднюю 방정식 삼각형 넓이 المعادلة معادلة مثلث مساحة "
    "phương trình tam giác denklem üçgen εξίσωση asilimia jumla",
    "math_act": "solve calculate compute simplify evaluate factorise factor factorize differentiate integrate expand "
    "calcula calcule resuelve calculez résolvez résoudre berechne berechnen löse calcola risolvi вычислите решите "
    "найдите 계산 احسب hesapla",
    "proof": "prove proof proving theorem contradiction demuestre demuestra démontrer démontrez beweise beweisen "
    "докажите dimostra demonstre buktikan kanıtla أثبت",
    "quantity": "many much total altogether per each twice half times double triple remaining left combined "
    "cuántos cuántas cuánto cuanto cuánta combien wie wieviel viele сколько quantos quantas quanto quanti quante "
    "ngapi কত ఎన్ని ఎంత كم kaç 몇 얼마 nhiêu กี่ πόσο πόσα पूरे कितने कितना jumla câte cât "
    "jeder jede jedes jeden insgesamt doppelt doppelte hälfte übrig zusammen chaque moitié reste restent "
    "fois cada mitad veces doble queda quedan restam vezes metade ogni ciascuno ciascuna metà volte "
    "rimangono каждый каждая каждую каждые всего половина половину раза осталось больше меньше kila nusu "
    "mara setiap berapa toplam yarısı tane mỗi tổng प्रत्येक कुल आधा fiecare jumătate كل نصف",
    "unit": "dollars dollar cents hours hour minutes minute days day weeks week miles mile km kilometers meters feet "
    "inches pounds kg grams gallons liters apples books pages pencils cookies candies marbles balls students price "
    "cost costs sells sold buys bought spent spends earn earns age older younger years speed distance dozen money "
    "dólares horas euros dollars stunden minuten kilometer heures часов долларов минут рублей километров masaa dola "
    "kostet verkauft kauft preis dollars coûte achète vend prix cuesta compra vende precio custa preço "
    "costa prezzo стоит купил купила продает цена долларов лет bei harga fiyat lira giá रुपये jours heure "
    "mois días horas semana tage woche wochen дней недели",
    "logic_noun": "statement statements argument premise premises conclusion assumption assumptions inference "
    "entailment logical logically deduce deduced infer inferred implies imply entail entails hypothesis reasoning "
    "puzzle riddle clue clues uncertain unknown false true valid validity necessarily weaken weakens strengthen "
    "strengthens undermine supports explains flaw paradox liar knight knave truth suspect analogy "
    "acertijo énigme rätsel загадка enigma indovinello مغز "
    "aussage schlussfolgerung argument conclusión conclusione conclusion conclusão raisonnement "
    "razonamiento ragionamento raciocínio logisch logique lógico logico вывод утверждение утверждения "
    "лжец правду wahr falsch vrai faux verdadero falso vero lügner menteur mentiroso истинно ложно",
    "logic_rule": "if then every each all some none neither either must cannot unless only exactly",
    "modal": "could would might possible consistent follows follow correct except",
    "prose": "translate poem poems story essay email letter summarize summary summarise rewrite paraphrase roleplay "
    "imagine recipe advice recommend recommendation recommendations song lyrics haiku blog article speech slogan "
    "tweet dialogue paragraph paragraphs sentence sentences headline biography review reviews tone bullet "
    "character characters fictional caption keywords keyword edit proofread grammar joke jokes outline "
    "traduce traduire traduisez übersetze übersetzen traduza traduci переведите poema poème gedicht historia "
    "conte geschichte resumen résumé résumez zusammenfassung riassumi ترجم قصة çevir번역 시 이야기 dịch μεταφράστε "
    "gedichte brief verfasse rédige rédigez redacta scrivere carta lettre lettera cuento рассказ "
    "стихотворение письмо cerita puisi hikaye şiir thơ कविता कहानी قصيدة رسالة",
    "explain": "explain describe discuss compare suggest list discuss meaning difference benefits advantages tips "
    "explica explique expliquez décrivez erkläre beschreiben spiega descrivi explicar объясните опишите اشرح صف "
    "설명 açıkla",
    "fact": "who when where whose born capital president country movie film song band album actor actress season "
    "episode episodes series war king queen city state history famous located invented released played wrote "
    "quién cuándo dónde qui wann wer wo кто когда где chi quando dove quem onde من متى أين",
    "you": "you your yourself name hello hi hey thanks thank sorry please hola bonjour hallo ciao привет olá",
    "short_reply": "yes no ok okay sure again more another continue also instead same it that those these he she",
}
_MORE_WORDS: Mapping[str, str] = {
    "logic_strong": "syllogisme silogismo sillogismo syllogismus силлогизм sylogizm raadsel zagadka zagadki bilmece "
    "पहेली لغز γρίφος ghicitoare kitendawili prämisse prämissen prémisse prémisses premisas premissas "
    "premesse посылки посылок przesłanki łamigłówka головоломка головоломку ",
    "logic_noun": "denkfehler trugschluss gegenargument annahmen hypothesen argumente hypothèses arguments "
    "raisonnement faille supuestos hipótesis argumento argumentos razonamiento falacia ipotesi "
    "argomento argomenti fallacia suposições hipóteses falácia fraqueza допущения допущение "
    "предположения гипотеза рассуждении рассуждение varsayımlarını akıl yürütmedeki redenering "
    "aannames rozumowania rozumowanie założenia penalaran argumen افتراضاتك الاستدلال συλλογισμό "
    "raționament "
    "folgern schlussfolgern schlussfolgerungen aussagen annahme annahmen wahrheit lügt lügen gültig "
    "täter verdächtigen schurke schurken mörder déduire déduit déduisez conclure inférer affirmation "
    "affirmations hypothèse vérité ment mentent valide coupable meurtrier deducir concluir inferir "
    "afirmación afirmaciones supuesto verdad miente mienten válido culpable sospechosos asesino dedurre "
    "concludere affermazione affermazioni presupposto verità mente mentono valido colpevole sospettati "
    "assassino deduzir afirmação afirmações pressuposto verdade mentem culpado suspeitos следует "
    "утверждений предположение предположении довод лжёт лжет лгут лжецы виноват подозреваемых преступник "
    "убийца висновок випливає wynika wnioskować wniosek stwierdzenie założenie prawdę kłamie kłamią "
    "winny podejrzanych concluderen afleiden conclusie uitspraak uitspraken aanname waarheid dader "
    "schurk verdachten çıkarım çıkarılabilir sonucuna ifade varsayım varsayıma yalan doğrudur geçerli "
    "suçlu suçludur şüpheliden şüpheli luận dối phạm disimpulkan simpulkan kesimpulan pernyataan asumsi "
    "berbohong bohong jujur pelaku tersangka निष्कर्ष कथन झूठ सच दोषी तर्क استنتاج استنتاجه استنتج "
    "نستنتج العبارات العبارة افتراض الحجة المنطق يكذب تكذب الحقيقة الفاعل القاتل συμπεραίνεται αλήθεια "
    "ψέματα adevărul mint ukweli hudanganya ",
    "logic_rule": "wenn falls dann alle kein keine keiner weder entweder nur genau muss sofern aucun aucune tous "
    "toutes seulement exactement sauf doit alors ningún ninguno ninguna todos todas solo exactamente "
    "salvo debe entonces nessun nessuno nessuna tutti tutte soltanto esattamente deve allora nenhum "
    "nenhuma ninguém apenas exatamente então если то все ни никто только ровно либо якщо жодна jeśli "
    "jeżeli wszyscy żaden żadna tylko dokładnie albo als geen elke alleen precies eğer bütün hiçbir "
    "yalnız yalnızca sadece nếu mọi chỉ jika semua tidak hanya यदि अगर सभी केवल إذا جميع فقط اگر dacă "
    "toți niciun αν όλοι ikiwa kama wote ",
    "place": "right north south east west northeast northwest southeast southwest between beside adjacent behind "
    "seat seats seated sits sitting neighbor neighbour neighbors opposite clockwise "
    "order direction immediately "
    "facing links rechts norden süden osten westen neben zwischen gegenüber reihenfolge richtung "
    "gauche droite ouest derrière ordre âgé izquierda derecha "
    "oeste detrás dirección sinistra destra ovest accanto direzione esquerda direita leste "
    "direção слева справа налево направо север юг восток запад между рядом порядке порядок "
    "направлении lewo prawo północ południe obok między kolejność kierunek "
    "noorden zuiden naast tussen volgorde richting solunda sağında kuzey "
    "güney güneye yanında arasında yön yöne trái bắc cạnh hướng kiri kanan utara selatan sebelah "
    "arah urutan बाएँ दाएँ दक्षिण बगल दिशा يسار يمين الشمال الجنوب بجانب اتجاه ترتيب ",
    "society": "auswirkungen einfluss faktoren herausforderungen gesellschaft umwelt gesundheit "
    "wirtschaft bildung klima regierung menschen zukunft technologie medien facteurs défis société "
    "environnement santé économie éducation climat gouvernement personnes gens avenir médias impacto "
    "influencia efectos factores desafíos sociedad salud economía educación gobierno personas gente "
    "futuro tecnología medios impatto influenza effetti fattori sfide società salute economia istruzione "
    "clima governo persone tecnologia influência efeitos fatores desafios sociedade saúde ambiente "
    "educação pessoas влияние влияет последствия факторы общество общества здоровье экономика "
    "образование климат люди людей будущее технологии wpływ czynniki wyzwania społeczeństwo środowisko "
    "zdrowie gospodarka ludzie invloed factoren uitdagingen samenleving milieu gezondheid economie "
    "mensen etkisi etkileri faktörler toplum çevre sağlık ekonomi eğitim insanlar hưởng xã khỏe giáo "
    "pengaruh dampak faktor tantangan masyarakat lingkungan kesehatan pendidikan प्रभाव समाज "
    "पर्यावरण स्वास्थ्य शिक्षा تأثير آثار المجتمع البيئة الصحة الاقتصاد التعليم الناس ",
    "what_if": "hätte hätten wäre wären würde habría habrían hubiera hubiese aurait auraient serait sarebbe avrebbe "
    "avesse teria tivesse seria fosse бы ",
    "code_noun": "klasse methode variablen abfrage rekursiv rekursion classe méthode requêtes récursive récursif "
    "récursivité clase método bucles recursiva recursivo recursión metodo ricorsivo ricorsiva "
    "ricorsione vetor recursivamente метод класс переменная переменную рекурсивно рекурсия функции "
    "программы скрипта functie functies recursief recursie funkcja funkcję programu klasa klasę "
    "metoda metodę tablica rekurencyjnie zmienna zmienną döngüm sınıf sınıfı metot dizi değişken "
    "programı fonksiyonu özyinelemeli kelas metode perulangan larik variabel rekursif लूप फ़ंक्शन "
    "क्लास برنامجا حلقة الدالة مصفوفة برنامه حلقه تابع βρόχος συναρτήσεις μεταβλητή buclă bucla "
    "funcție funcția програму програма функцію lặp mảng kitanzi "
    "programma programmi boucle ciclo laço цикл массива pętla döngü lus biểu tabella tabellen tabelle "
    "jadwal चलाने skripta skrypt βρόχο πρόγραμμα ",
    "prose": "vertaal verhaal schrijf przetłumacz wiersz opowiadanie mektup çevir reseña crítica recensione "
    "recenzję recensie ulasan tarifi yaz kịch thư tulis surat terjemahkan पत्र लिखिए अनुवाद نقدا خطاب "
    "barua tafsiri ",
    "explain": "warum pourquoi perché neden dlaczego waarom mengapa неге почему чому क्यों لماذا γιατί ",
    "compare": "taller shorter heavier lighter tallest shortest oldest youngest heaviest faster slower earlier later "
    "larger bigger smaller largest biggest smallest fastest slowest größer kleiner älter jünger schwerer "
    "leichter schneller langsamer höher kürzer früher später größte kleinste älteste jüngste schnellste "
    "zuerst zuletzt plus moins aîné cadet avant après premier dernier mayor menor más menos antes después "
    "último più meno maggiore minore prima dopo ultimo mais maior depois старше младше выше ниже тяжелее "
    "легче быстрее медленнее раньше позже большой самый самая większy większe mniejszy mniejsze starszy "
    "młodszy wyższy niższy cięższy szybszy wcześniej później najstarszy najmłodszy największe groter "
    "ouder jonger zwaarder lichter sneller trager eerder grootste jongste oudste büyük küçük büyüktür "
    "küçüktür daha önce sonra hơn nhất trước lebih daripada paling sebelum sesudah terbesar terkecil "
    "termuda tertua बड़ा छोटा बड़ी छोटी सबसे पहले बाद أكبر أصغر أطول أقصر أقدم أسرع أثقل قبل بعد "
    "μεγαλύτερο μικρότερο μεγαλύτερος μικρότερος mai zaidi kuliko ",
    "which": "which welche welcher welches welchem quel quelle quels quelles lequel laquelle cuál cuáles quale "
    "quali qual quais какой какая какое какие чей welke który która które hangi hangisi nào mana कौन "
    "कौनसा أي أيها ποιος ποια ποιο care ",
    "modal": "certainly surely certain möglich sicher gewiss wahrscheinlich folgt certitude forcément "
    "nécessairement posible seguro necesariamente probable possibile certo certezza necessariamente "
    "possível certeza возможно точно обязательно возможен możliwe pewno musi mogelijk zeker mümkün kesin "
    "kesinlikle chắc mungkin pasti संभव पक्का निश्चित يمكن يقينا بالضرورة ",
    "negation": "not never nobody nothing nicht nie niemand nichts ne pas jamais personne rien nunca nadie nada mai "
    "niente não нет не никогда nigdy nikt niet nooit değil değildir yok asla không chưa bukan belum नहीं "
    "मत لا لم ليس ليست δεν nu niciodată sio ",
    "therefore": "because therefore thus hence weil deshalb daher also folglich parce donc ainsi porque luego así "
    "perché quindi dunque portanto logo потому поэтому значит bo ponieważ więc dlatego omdat dus daarom "
    "çünkü dolayısıyla demek vì nên karena jadi sehingga क्योंकि इसलिए لأن لذلك إذن επειδή άρα deci kwa ",
    "proof": "zeige zeigen montrer montrez muestra demostrar mostre mostrar dimostrare докажи доказать "
    "udowodnij bewijs kanıtlayınız أثبتوا απόδειξε demonstrează सिद्ध доведи ",
    "math_noun": "wahrscheinlichkeit probabilité probabilidad probabilità probabilidade вероятность kans "
    "prawdopodobieństwo olasılık olasılığı peluang gerade ungerade paire impaire impairs pares "
    "impares pari dispari чётных нечётных denklemi persamaan równanie vergelijking समीकरण ecuația ",
    "series": "intrus лишнее лишний ",
}
"""The same ideas in more languages, and those that hold an argument together: what is more than what, which one is
asked for, what must or cannot be, what follows."""
_WORD_CUES: dict[str, str] = {}
for _cue, _list in (*_WORDS.items(), *_MORE_WORDS.items()):
    for _word in _list.split():
        _WORD_CUES.setdefault(_word, _cue)
_KNOWN = frozenset(_WORD_CUES)

_PHRASES: Mapping[str, str] = {
    "how many": "how_many", "how much": "how_many", "how far": "how_many", "how old": "how_many",
    "how long": "how_long", "what is the value": "what_value", "find the": "find_the", "find all": "find_all",
    "what is the probability": "what_value", "determine all": "find_all", "such that": "such_that",
    "let $": "let_be", "suppose that": "let_be", "real number": "let_be", "positive integer": "positive_integer",
    "which of the following": "which_of", "which one of the following": "which_of",
    "each of the following": "which_of",
    "true or false": "true_false", "true, false": "true_false", "the following statement": "true_false",
    "if the above": "if_true", "must be true": "if_true", "could be true": "if_true", "cannot be true": "if_true",
    "if true": "if_true", "does this mean": "does_this", "does this imply": "does_this",
    "does this entail": "does_this",
    "can we conclude": "does_this", "can we say": "does_this", "can it be": "does_this", "we conclude": "does_this",
    "can be inferred": "does_this", "what can be concluded": "does_this", "follows from": "does_this",
    "completes the": "series", "complete the pattern": "series", "question mark": "series", "odd one out": "series",
    "gehört nicht": "series", "passt nicht": "series", "n'appartient pas": "series", "no pertenece": "series",
    "non appartiene": "series", "não pertence": "series", "hoort er niet": "series", "nie pasuje": "series",
    "tidak termasuk": "series", "gruba uymaz": "series", "does not belong": "series", "doesn't belong": "series",
    "لا تنتمي": "series", "समूह से अलग": "series",
    "next number": "series", "comes next": "series", "next in the": "series",
    "as an expert": "role", "act as": "role", "pretend": "role", "imagine you": "role", "you are a": "role",
    "write a function": "write_function", "write a program": "write_function", "write a script": "write_function",
    "write code": "write_function", "write a query": "write_function", "a function": "a_function",
    "the function should": "write_function", "command line": "a_function", "source code": "a_function",
    "stack overflow": "a_function", "error message": "a_function",
    "c++": "code_language", "c#": "code_language", ".net": "code_language", ".js": "code_language",
    "what does": "what_does", "not working": "broken", "doesn't work": "broken", "does not work": "broken",
    "fails": "broken", "wrong with": "broken", "how do i": "how_do_i", "how to": "how_do_i", "how can i": "how_do_i",
    "http": "address", "what is": "what_is", "what are": "what_are", "answer the question": "answer_from",
    "following paragraph": "answer_from", "according to": "answer_from", "in the passage": "answer_from",
    "your response": "format_rule", "your answer": "format_rule", "in your": "format_rule",
    "should be": "format_rule",
    "at least": "format_rule", "words or": "format_rule", "letters": "format_rule",
    "are you sure": "follow_up", "go on": "follow_up", "and now": "follow_up", "try again": "follow_up",
    "think again": "follow_up", "check again": "follow_up", "step by step": "follow_up",
    "that is wrong": "follow_up", "what if": "what_if", "instead of": "what_if",
    "select * from": "code_strong", "order by": "code_strong", "group by": "code_strong", "left join": "code_strong",
    "who is who": "logic_strong", "always lies": "logic_strong", "tells the truth": "logic_strong",
    "dynamic programming": "hard_word", "lock-free": "hard_word", "thread-safe": "hard_word", "np-hard": "hard_word",
    "truth-teller": "logic_strong", "binary search": "code_strong", "are all": "syllogism",
    "some of the": "syllogism",
    "can we say that all": "syllogism", "time complexity": "hard_word", "necessary and sufficient": "hard_word",
    "prove that": "proof_phrase", "show that": "proof_phrase",
}  # fmt: skip

_SIGNS = {"c++": "+", "c#": "#", ".net": ".", ".js": ".", "let $": "$", "http": "h"}
"""Phrases that are not made of words, and a sign of each that few texts have."""
_STOP = frozenset({"the", "of", "to", "is", "a", "in", "for", "and", "you", "are", "do", "i", "what", "if", "how"})


def _anchored() -> dict[str, list[tuple[str, str]]]:
    """File each phrase under its most telling word, so that few are searched for in a text."""
    filed: dict[str, list[tuple[str, str]]] = {}
    for phrase, cue in _PHRASES.items():
        if phrase not in _SIGNS:
            words = phrase.replace(",", " ").replace("'", " ").split()
            anchor = max(words, key=lambda word: (word not in _STOP, len(word)))
            filed.setdefault(anchor, []).append((phrase, cue))
    return filed


_ANCHORED = _anchored()
_ANCHORS = frozenset(_ANCHORED)

_DENSE: Mapping[str, str] = {
    # Chinese
    "代码": "code_noun", "函数": "function_zh", "程序": "code_noun", "算法": "code_noun", "脚本": "code_noun",
    "编程": "code_noun", "正则": "code_language", "数据库": "code_noun", "变量": "code_noun", "数组": "code_noun",
    "字符串": "code_noun", "编写一个": "write_function", "编写": "make", "实现": "code_act", "报错": "broken",
    "调试": "code_act", "列表": "code_noun", "接口": "code_noun", "循环": "code_noun", "写一段": "make",
    "方程": "math_noun", "三角形": "math_noun", "三角": "math_noun", "根号": "math_strong",
    "无理数": "math_strong", "导数": "math_strong", "矩阵": "math_strong", "微分": "math_strong",
    "极限": "math_strong", "求": "math_act", "排序": "code_strong", "二叉树": "code_strong",
    "链表": "code_strong", "爬虫": "code_strong",
    "多线程": "code_strong", "分布式": "hard_word", "并发": "hard_word", "竞赛": "hard_word",
    "最优": "hard_word", "简单": "easy_word",
    "脑筋急转弯": "logic_strong", "说真话": "logic_strong", "凶手": "logic_strong", "积分": "math_noun",
    "概率": "math_noun", "面积": "math_noun", "体积": "math_noun", "平方": "math_noun", "等于": "math_noun",
    "数列": "math_noun", "整数": "math_noun", "周长": "math_noun", "长方形": "math_noun", "正方形": "math_noun",
    "计算": "math_act", "解方程": "math_act", "化简": "math_act", "圆": "math_noun", "直线": "math_noun",
    "坐标": "math_noun", "最大值": "math_noun", "最小值": "math_noun", "取值范围": "math_noun", "之和": "math_noun",
    "相差": "quantity", "平均": "math_noun", "倍": "quantity", "一共": "quantity", "共有": "quantity",
    "多少": "how_many", "几": "how_many", "还剩": "quantity", "剩下": "quantity", "每": "quantity", "证明": "proof",
    "元": "unit", "千克": "unit", "厘米": "unit", "米": "unit", "小时": "unit", "分钟": "unit", "公里": "unit",
    "千米": "unit", "吨": "unit", "已知": "let_be", "设": "let_be", "若": "let_be", "则": "let_be",
    "以下哪": "which_of", "下列": "which_of", "哪项": "which_of", "哪一项": "which_of", "上述": "if_true",
    "如果为真": "if_true", "为真": "if_true", "推出": "does_this", "推断": "does_this", "结论": "logic_noun",
    "论证": "logic_noun", "假设": "logic_noun", "前提": "logic_noun", "削弱": "logic_noun", "加强": "logic_noun",
    "支持": "logic_noun", "推理": "logic_noun", "逻辑": "logic_noun", "谜": "logic_noun", "说谎": "logic_noun",
    "真话": "logic_noun", "不能": "logic_rule", "必须": "logic_rule", "如果": "logic_rule", "所有": "logic_rule",
    "翻译": "prose", "总结": "prose", "改写": "prose", "故事": "prose", "作文": "prose", "诗": "prose",
    "邮件": "prose", "文章": "prose", "句子": "prose", "摘要": "prose", "对话": "prose", "广告": "prose",
    "写一": "make", "生成": "make", "推荐": "explain", "介绍": "explain", "解释": "explain", "描述": "explain",
    "列出": "explain", "建议": "explain", "如何": "how_do_i", "怎么": "how_do_i", "为什么": "explain",
    "什么是": "what_is", "是什么": "what_is", "谁": "fact", "哪里": "fact", "历史": "fact", "国家": "fact",
    "首都": "fact", "电影": "fact", "你好": "you", "你": "you", "您": "you", "根据": "answer_from",
    "你确定": "follow_up", "继续": "follow_up", "再想想": "follow_up", "不对": "follow_up", "下一个": "series",
    "规律": "series",
    # Japanese
    "関数": "code_noun", "コード": "code_noun", "プログラム": "code_noun", "スクリプト": "code_noun",
    "書いて": "make", "実装": "code_act", "作成": "make", "何人": "how_many",
    "いくつ": "how_many", "いくら": "how_many",
    "何個": "how_many", "何枚": "how_many", "何時間": "how_many", "何ドル": "how_many", "何本": "how_many",
    "合計": "quantity", "ドル": "unit", "時間": "unit", "方程式": "math_noun",
    "計算": "math_act", "三角形の": "math_noun",
    "翻訳": "prose", "要約": "prose", "物語": "prose", "説明": "explain", "ですか": "what_is", "次の数": "series",
    "配列": "code_noun", "アルゴリズム": "code_noun", "正規表現": "code_language", "データ構造": "code_noun",
    "全部で": "quantity", "残り": "quantity", "ずつ": "quantity", "半分": "quantity", "倍の": "quantity",
    # Names of programming languages touch the script around them
    "python": "code_language", "java": "code_language", "sql": "code_language", "html": "code_language",
    "c语言": "code_language",
    # Arabic, Bengali and Telugu words carry prefixes or endings
    "برنامج": "code_noun", "خوارزمي": "code_noun", "مصفوف": "code_noun", "دالة": "code_noun",
    "কত": "how_many", "প্রতি": "quantity", "মোট": "quantity", "ডলার": "unit", "টাকা": "unit",
    "ఎన్ని": "how_many", "ఎంత": "how_many", "మొత్తం": "quantity", "ప్రతి": "quantity", "డాలర్": "unit",
    "ครึ่ง": "quantity", "ราคา": "unit", "แต่ละ": "quantity", "배열": "code_noun", "알고리즘": "code_noun",
    "모두": "quantity", "남은": "quantity", "각각": "quantity",
    # Thai and Korean words carry endings, so they are looked for inside
    "กี่": "how_many", "เท่าไร": "how_many", "เท่าไหร่": "how_many", "ทั้งหมด": "quantity", "แปล": "prose",
    "ดอลลาร์": "unit", "함수": "code_noun", "코드": "code_noun", "프로그램": "code_noun", "얼마": "how_many",
    "몇": "how_many", "계산": "math_act", "다음 숫자": "series", "번역": "prose", "설명": "explain",
    "작성": "make", "방정식": "math_noun", "구하": "math_act",
    # Puzzles and essays
    "比": "compare",
    "更": "compare",
    "哪个": "which",
    "哪些": "which",
    "谁是": "which",
    "一定": "modal",
    "不可能": "modal",
    "没有": "negation",
    "没": "negation",
    "不是": "negation",
    "从不": "negation",
    "因为": "therefore",
    "因此": "therefore",
    "所以": "therefore",
    "于是": "therefore",
    "左边": "place",
    "右边": "place",
    "左侧": "place",
    "右侧": "place",
    "相邻": "place",
    "顺序": "place",
    "方向": "place",
    "隣": "place",
    "順番": "place",
    "方角": "place",
    "왼쪽": "place",
    "오른쪽": "place",
    "북쪽": "place",
    "남쪽": "place",
    "동쪽": "place",
    "서쪽": "place",
    "순서": "place",
    "방향": "place",
    "ซ้าย": "place",
    "ขวา": "place",
    "ทิศ": "place",
    "ลำดับ": "place",
    "ติดกับ": "place",
    "影響": "society",
    "環境": "society",
    "経済": "society",
    "要因": "society",
    "人々": "society",
    "사회": "society",
    "환경": "society",
    "건강": "society",
    "경제": "society",
    "교육": "society",
    "영향": "society",
    "사람들": "society",
    "ผลกระทบ": "society",
    "สังคม": "society",
    "สุขภาพ": "society",
    "เศรษฐกิจ": "society",
    "嘘": "logic_noun",
    "本当": "logic_noun",
    "結論": "logic_noun",
    "推論": "logic_noun",
    "推測": "logic_noun",
    "論理": "logic_noun",
    "犯人": "logic_noun",
    "容疑者": "logic_noun",
    "거짓말": "logic_noun",
    "진실": "logic_noun",
    "결론": "logic_noun",
    "추론": "logic_noun",
    "논리": "logic_noun",
    "논증": "logic_noun",
    "범인": "logic_noun",
    "용의자": "logic_noun",
    "전제": "logic_noun",
    "진술": "logic_noun",
    "สรุปได้": "logic_noun",
    "เหตุผล": "logic_noun",
    "โกหก": "logic_noun",
    "ความจริง": "logic_noun",
    "คนร้าย": "logic_noun",
    "ผู้ต้องสงสัย": "logic_noun",
    "อนุมาน": "logic_noun",
    "ตรรกะ": "logic_noun",
    "すべて": "logic_rule",
    "全員": "logic_rule",
    "必ず": "logic_rule",
    "もし": "logic_rule",
    "만약": "logic_rule",
    "모든": "logic_rule",
    "항상": "logic_rule",
    "반드시": "logic_rule",
    "ถ้า": "logic_rule",
    "ทุก": "logic_rule",
    "ต้อง": "logic_rule",
    "เท่านั้น": "logic_rule",
    "ไม่มี": "logic_rule",
    "なぞなぞ": "logic_strong",
    "謎": "logic_strong",
    "수수께끼": "logic_strong",
    "ปริศนา": "logic_strong",
    "手紙": "prose",
    "メール": "prose",
    "感想": "prose",
    "レシピ": "prose",
    "이메일": "prose",
    "편지": "prose",
    "메일": "prose",
    "주세요": "you",
    "ください": "you",
    "감상": "prose",
    "평론": "prose",
    "จดหมาย": "prose",
    "สูตร": "prose",
    "なぜ": "explain",
    "理由": "explain",
    "どうすれば": "explain",
    "왜": "explain",
    "이유": "explain",
    "ทำไม": "explain",
    "อย่างไร": "explain",
    "仲間はずれ": "series",
    "어울리지 않": "series",
    "เข้าพวก": "series",
    "仮定": "logic_noun",
    "主張": "logic_noun",
    "反論": "logic_noun",
    "주장": "logic_noun",
    "반론": "logic_noun",
    "ข้ออ้าง": "logic_noun",
    "สมมติฐาน": "logic_noun",
    "แสดงว่า": "logic_noun",
    "เฉพาะ": "logic_rule",
    "เว้นแต่": "logic_rule",
    "เงื่อนไข": "logic_rule",
    "สาเหตุ": "therefore",
    "原因": "therefore",
    "원인": "therefore",
    "証明": "proof",
    "증명": "proof",
    "พิสูจน์": "proof",
    "確率": "math_noun",
    "확률": "math_noun",
    "偶数": "math_noun",
    "奇数": "math_noun",
    "짝수": "math_noun",
    "홀수": "math_noun",
    "정수": "math_noun",
    "สมการ": "math_noun",
    "ความน่าจะเป็น": "math_noun",
    "ループ": "code_noun",
    "প্রোগ্রাম": "code_noun",
    "লুপ": "code_noun",
    "পাইথন": "code_language",
    "ప్రోగ్రామ్": "code_noun",
    "లూప్": "code_noun",
    "పైథాన్": "code_language",
    "클래스": "code_noun",
    "변수": "code_noun",
    "재귀": "code_noun",
    "파이썬": "code_language",
    "クラス": "code_noun",
    "変数": "code_noun",
    "再帰": "code_noun",
    "คลาส": "code_noun",
    "เมธอด": "code_noun",
    "ตัวแปร": "code_noun",
    "อาร์เรย์": "code_noun",
    "반복문": "code_noun",
    "ลูป": "code_noun",
    "โปรแกรม": "code_noun",
    "ฟังก์ชัน": "code_noun",
    "โค้ด": "code_noun",
    "誰が": "fact",
    "より": "compare",
    "一番": "compare",
    "最も": "compare",
    "보다": "compare",
    "가장": "compare",
    "먼저": "compare",
    "กว่า": "compare",
    "ที่สุด": "compare",
    "どれ": "which",
    "どの": "which",
    "どちら": "which",
    "어느": "which",
    "ใด": "which",
    "ไหน": "which",
    "確実": "modal",
    "可能性": "modal",
    "확실": "modal",
    "가능": "modal",
    "แน่นอน": "modal",
    "เป็นไปได้": "modal",
    "ない": "negation",
    "ません": "negation",
    "않": "negation",
    "없": "negation",
    "だから": "therefore",
    "ため": "therefore",
    "때문": "therefore",
    "그러므로": "therefore",
    "따라서": "therefore",
    "เพราะ": "therefore",
    "ดังนั้น": "therefore",
    "何年": "fact",
    "เมื่อใด": "fact",
    "ปีใด": "fact",
    "ที่ไหน": "fact",
    "누가": "fact",
    "언제": "fact",
    "어디": "fact",
}  # fmt: skip

_DENSE_BY_FIRST: dict[str, list[tuple[str, str]]] = {}
for _phrase, _cue in _DENSE.items():
    _DENSE_BY_FIRST.setdefault(_phrase[0], []).append((_phrase, _cue))
_FIRSTS = frozenset(_DENSE_BY_FIRST)

_LATEX = re.compile(
    r"\\(?:frac|sqrt|sum|int|left|right|cdot|times|leq?|geq?|angle|triangle|pi|theta|alpha|ldots|dots|mathbb|infty|"
    r"begin|text|log|sin|cos|lim|circ|overline|quad|qquad|in|ne|pm|div|equiv)(?![a-z])"
)
_DOLLARS = re.compile(r"\$[^$\n]{1,200}\$")
# Searching for line ends is quick, for the multiline `^` it is not: these are searched for in "\n" + text.
_OPTION = re.compile(r"\n {0,4}\(?[A-Ea-e1-5][).、．:：]")
_NUMBER_OPTION = re.compile(r"\n {0,4}\(?[A-Ea-e1-5][).、．:：] ?[-$\\(£€₹Rs. ]{0,4}\d")
_CODE_LINE = re.compile(
    r"\n[ \t]{0,24}(?:def |class \w+[:({]|import \w|from \w+ import|#include|public |private |function\s*\w*\(|const |"
    r"let \w+ =|"
    r"var \w+ =|return\b|for ?\(|if ?\(|select\s.{1,200}\sfrom\b|create table|insert into|<\?php|<!doctype|</?\w+>|"
    r"print\(|console\.|\$ ?\w+|>>> |@\w+$|\w+\.\w+\()",
    re.MULTILINE | re.IGNORECASE,
)
_CODE_INLINE = re.compile(
    r"\b(?:for \w+ in \w+[\w.]*(?:\(.{0,40}\))? ?:|for ?\(\w* ?\w+ ?=|(?:while|if) \(?\w+ ?[=<>!]=? ?\w+\)? ?[:{]|"
    r"def \w+\(|print\(|console\.\w+\(|return [\w.]{1,30};|len\(\w)|"
    r"[\w)\]] ?(?:===?|!==?|\+=|-=|&&|\|\||:=|=>) ?[\w(\[{\"']|\w(?:\+\+|--)[;)]"
)
"""Code in the middle of a sentence: statements and operators that neither prose nor mathematics writes so."""
_CODE_END = re.compile(r"[;{}][ \t]*$", re.MULTILINE)
_ROW = re.compile(r"\d[,、،] ?-?\d{1,9}[,、،] ?-?\d{1,9}[,、،] ?-?\d")
"""Four numbers one after another."""
_SPLIT = bytes(code if code > 127 or chr(code).isalpha() else 0x20 for code in range(256))
_QUESTION_ENDS = ("?", "？", "؟", "か。", "か")
_GREEK = re.compile("[α-ω]")
_THAI = re.compile("[ก-๙]")
_THAI_ASKS = re.compile("ไหม|อะไร|ใด|ใคร|กี่|เท่าไร|เท่าไหร่|อย่างไร|ยังไง|ที่ไหน|เมื่อไร|ทำไม|หรือไม่|หรือเปล่า")
_MARKS = "¿¡«»“”„’‘…–—،؟؛।"
"""Marks beyond ASCII that stand at words."""


def _classes() -> bytes:
    table = bytearray(b"," * 256)
    for code in range(128):
        sign = chr(code)
        table[code] = ord(
            "a" if sign.islower() else "A" if sign.isupper() else "0" if sign.isdigit()
            else "+" if sign in "+-*/=^<>" else " " if sign.isspace() else sign if sign in "_(." else ","
        )  # fmt: skip
    return bytes(table)


_CLASSES = _classes()
_NUMBERS = (b" 0", b",0", b"a0", b"+0", b"(0")
_SUMS = (b"0+0", b"0 + 0", b"0+a", b"0 + a", b"a + 0", b"a+0")
_EQUATIONS = (b" a + ", b"0a + ", b"a(a) +", b"0a+", b" a+0", b"a^0", b"+ 0a", b"+0a")
_IDENTIFIERS = ((b"_", b"a_a"), (b"A", b"aA"), (b"(", b"a("), (b".", b"a.a"))
"""Each behind the sign without which it cannot be: finding one sign takes a tenth of counting two."""


def words_of(lowered: str) -> set[str]:
    """Return the words of a text in lower case; what is written without blanks stays in one piece."""
    plain = lowered.encode("utf-8", "replace").translate(_SPLIT).decode("utf-8")
    if not plain.isascii():
        for mark in _MARKS:
            plain = plain.replace(mark, " ")
    return set(plain.split())


def cues(text: str, lowered: str, words: Set[str]) -> list[str]:
    """Return what a bounded text hints at; a name may stand several times, once per sort of hit."""
    found: dict[str, int] = {}
    for word in words & _KNOWN:
        cue = _WORD_CUES[word]
        found[cue] = found.get(cue, 0) + 1
    for anchor in words & _ANCHORS:
        for phrase, cue in _ANCHORED[anchor]:
            if phrase in lowered:
                found[cue] = found.get(cue, 0) + 1
    for phrase, sign in _SIGNS.items():
        if sign in lowered and phrase in lowered:
            cue = _PHRASES[phrase]
            found[cue] = found.get(cue, 0) + 1
    if not text.isascii():
        dense = lowered if len(lowered) <= 2 * DENSE_CHARS else lowered[:DENSE_CHARS] + lowered[-DENSE_CHARS:]
        for first in _FIRSTS.intersection(dense):
            for phrase, cue in _DENSE_BY_FIRST[first]:
                if phrase in dense:
                    found[cue] = found.get(cue, 0) + 1
    names: list[str] = []
    for cue, hits in found.items():
        names.append(cue)
        if hits > 1:
            names.append(cue + "+")
            if hits > 3:
                names.append(cue + "++")
    _shapes(text, lowered, names)
    return names


def _shapes(text: str, lowered: str, names: list[str]) -> None:
    add = names.append
    if "```" in text:
        add("fence")
    elif "`" in text:
        add("backtick")
    if "\\" in text and (hits := len(_LATEX.findall(text))):
        add("latex")
        if hits > 4:
            add("latex+")
    if "$" in text and (hits := len(_DOLLARS.findall(text))):
        add("dollars")
        if hits > 3:
            add("dollars+")
    classes = b" " + text.encode("ascii", "replace").translate(_CLASSES)
    count = classes.count
    numbers = sum(map(count, _NUMBERS)) if b"0" in classes else 0
    add("no_number" if not numbers else "one_number" if numbers == 1 else "few_numbers" if numbers < 4 else "numbers")
    if b"+" in classes:
        if numbers and any(map(count, _SUMS)):
            add("sum")
        if any(map(count, _EQUATIONS)):
            add("equation")
    if "%" in text or "％" in text:
        add("percent")
    if (b"0, 0" in classes or "、" in text or "،" in text) and _ROW.search(text):
        add("number_row")
    if not numbers and "how_many" in names and len(text) < 120:
        add("counts_nothing")
    if _asks(text[-80:].rstrip()):
        add("question")
        if numbers > 1 and text.count("\n") < 4:
            add("numbers_and_question")
    _statements(text, numbers, names)
    copulas = lowered.count(" is ") + lowered.count(" are ")
    if copulas > 3 and copulas * 60 > len(text):
        add("copulas")
        if copulas > 8:
            add("copulas+")
    identifiers = sum([count(shape) for sign, shape in _IDENTIFIERS if sign in classes])
    if identifiers:
        add("identifier")
        if identifiers > 3:
            add("identifier+")
    if (identifiers or b"+" in classes) and _CODE_INLINE.search(text):
        add("code_inline")
    _lines(text, names)


def _statements(text: str, numbers: int, names: list[str]) -> None:
    """Look, in whatever language, for facts stated one after another, and a question about them."""
    if numbers or "question" not in names:
        return
    wide = text.count("。", 0, -1)
    stops = wide + text.count(". ") + text.count("। ")
    if not stops and not text.isascii() and _THAI.search(text, 0, 80):
        stops = text.count(" ")  # Thai parts its sentences so.
    if stops and len(text) * (3 if wide else 1) < STATED_CHARS:
        names.append("stated_and_asked")
        if stops > 2:
            names.append("stated_and_asked+")


def _lines(text: str, names: list[str]) -> None:
    """Look at how the lines begin and end, and how much there is."""
    add = names.append
    lines = text.count("\n")
    length = len(text) if text.isascii() else len(text) * 2
    if 0 < lines < 6 and length > 250 and _asks_of_a_passage(text):
        add("passage")
    begun = "\n" + text
    if lines > 1 and (options := len(_OPTION.findall(begun))) > 1:
        add("options" if options > 2 else "two_options")
        if len(_NUMBER_OPTION.findall(begun)) * 2 > options:
            add("number_options")
    if (code := len(_CODE_LINE.findall(begun))) > (1 if lines < 3 else 0) or (lines and code):
        add("code_line")
        if code > 3:
            add("code_line+")
    if (";" in text or "{" in text) and len(_CODE_END.findall(text)) > 1:
        add("code_end")
    add("tiny" if length < 40 else "short" if length < 120 else "middling" if length < 400 else
        "long" if length < 1500 else "very_long")  # fmt: skip
    if lines > 4:
        add("lines")


def _asks_of_a_passage(text: str) -> bool:
    """Whether a short question stands apart, before or after a long paragraph."""
    paragraphs = text.strip().split("\n")
    first, last = paragraphs[0].strip(), paragraphs[-1].strip()
    if len(first) < 200 and len(last) > len(first) and _asks(first):
        return True
    return len(last) < 200 and len(first) > len(last) and _asks(last) and not _OPTION.match("\n" + last)


def _asks(end: str) -> bool:
    """Whether a text that ends so is a question: Greek asks with `;`, Thai with words alone."""
    if end.endswith(_QUESTION_ENDS):
        return True
    if end.isascii():
        return False
    return bool(_GREEK.search(end) if end.endswith(";") else _THAI.search(end) and _THAI_ASKS.search(end))
