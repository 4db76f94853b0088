namespace Fastway.Multiplexing
{
    /// <summary>The port of the gateway that a link leads to.</summary>
    internal enum Role
    {
        Client,
        Server
    }
}
