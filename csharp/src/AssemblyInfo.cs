using System.Runtime.CompilerServices;

[assembly: InternalsVisibleTo("Fastway.Tests")]
