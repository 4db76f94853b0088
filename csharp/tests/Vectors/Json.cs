using System;
using System.Collections.Generic;
using System.Globalization;
using System.Text;

namespace Fastway.Tests.Vectors
{
    /// <summary>A value of a JSON text: enough of the format for the vectors, whose texts are trusted.</summary>
    internal sealed class Json
    {
        private readonly object _value;

        private Json(object value)
        {
            _value = value;
        }

        public static Json Parse(string text)
        {
            var at = 0;
            return Value(text, ref at);
        }

        /// <summary>A field of an object; null if it is absent.</summary>
        public Json this[string field]
        {
            get
            {
                Json found;
                return ((Dictionary<string, Json>)_value).TryGetValue(field, out found) ? found : null;
            }
        }

        public IReadOnlyList<Json> Items
        {
            get { return (List<Json>)_value; }
        }

        public string Text
        {
            get { return (string)_value; }
        }

        public bool IsTrue
        {
            get { return (string)_value == "true"; }
        }

        public ulong Number
        {
            get { return ulong.Parse((string)_value, CultureInfo.InvariantCulture); }
        }

        /// <summary>A string of hexadecimal digits.</summary>
        public byte[] Bytes
        {
            get { return Hex.Decode(Text); }
        }

        private static Json Value(string text, ref int at)
        {
            switch (Next(text, ref at))
            {
                case '{':
                    return new Json(Object(text, ref at));
                case '[':
                    return new Json(Array(text, ref at));
                case '"':
                    return new Json(String(text, ref at));
                default:
                    return new Json(Word(text, ref at));
            }
        }

        private static Dictionary<string, Json> Object(string text, ref int at)
        {
            var fields = new Dictionary<string, Json>();
            at++;
            while (Next(text, ref at) != '}')
            {
                var name = String(text, ref at);
                Expect(text, ref at, ':');
                fields.Add(name, Value(text, ref at));
                Skip(text, ref at, ',');
            }
            at++;
            return fields;
        }

        private static List<Json> Array(string text, ref int at)
        {
            var items = new List<Json>();
            at++;
            while (Next(text, ref at) != ']')
            {
                items.Add(Value(text, ref at));
                Skip(text, ref at, ',');
            }
            at++;
            return items;
        }

        private static string String(string text, ref int at)
        {
            var read = new StringBuilder();
            for (at++; text[at] != '"'; at++)
            {
                if (text[at] == '\\')
                {
                    throw new FormatException("the vectors have no escapes");
                }
                read.Append(text[at]);
            }
            at++;
            return read.ToString();
        }

        private static string Word(string text, ref int at)
        {
            var start = at;
            while (char.IsLetterOrDigit(text[at]))
            {
                at++;
            }
            if (at == start)
            {
                throw new FormatException("'" + text[at] + "' at " + at);
            }
            return text.Substring(start, at - start);
        }

        private static char Next(string text, ref int at)
        {
            while (char.IsWhiteSpace(text[at]))
            {
                at++;
            }
            return text[at];
        }

        private static void Expect(string text, ref int at, char expected)
        {
            if (Next(text, ref at) != expected)
            {
                throw new FormatException("'" + expected + "' is missing at " + at);
            }
            at++;
        }

        private static void Skip(string text, ref int at, char optional)
        {
            if (Next(text, ref at) == optional)
            {
                at++;
            }
        }
    }
}
